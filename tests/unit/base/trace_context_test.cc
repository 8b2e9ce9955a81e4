#include "baton/base/trace_context.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";
const std::string kSampled = std::string("00-") + kTrace + "-" + kSpan + "-01";

TEST(Traceparent, IsReadAndWritten) {
  const auto context = ParseTraceparent(kSampled);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace.ToString(), kTrace);
  EXPECT_EQ(ToString(context->span), kSpan);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(Traceparent(*context), kSampled);
}

TEST(Traceparent, TakesOnlyTheFlagThatItKnows) {
  const std::string begin = kSampled.substr(0, 53);
  EXPECT_FALSE(ParseTraceparent(begin + "00")->sampled);
  EXPECT_FALSE(ParseTraceparent(begin + "fe")->sampled);
  EXPECT_TRUE(ParseTraceparent(begin + "ff")->sampled);
  EXPECT_EQ(Traceparent(*ParseTraceparent(begin + "ff")), kSampled);
}

TEST(Traceparent, OfALaterVersionMaySayMore) {
  std::string later = kSampled;
  later.replace(0, 2, "cc");
  EXPECT_TRUE(ParseTraceparent(later));
  EXPECT_TRUE(ParseTraceparent(later + "-what-the-future-will-be-like"));
  EXPECT_TRUE(ParseTraceparent(later + "-"));
  EXPECT_FALSE(ParseTraceparent(later + "."));
  EXPECT_FALSE(ParseTraceparent(later + "what"));
}

class BadTraceparent : public testing::TestWithParam<std::string> {};

TEST_P(BadTraceparent, IsTakenForNone) { EXPECT_FALSE(ParseTraceparent(GetParam())); }

std::string With(size_t at, const std::string& text) {
  std::string changed = kSampled;
  return changed.replace(at, text.size(), text);
}

INSTANTIATE_TEST_SUITE_P(
    AllKinds, BadTraceparent,
    testing::Values("", "00", "-", kSampled.substr(0, 54), kSampled + "-", kSampled + "0",
                    kSampled + "-00", " " + kSampled, kSampled + " ", With(0, "ff"), With(0, "0x"),
                    With(0, "FF"), With(0, "AA"), With(0, "."), With(2, "_"), With(35, "0"),
                    With(52, "0"), With(3, "4BF92F35"), With(3, "."), With(3, "g"),
                    With(3, std::string(32, '0')), With(36, std::string(16, '0')),
                    With(36, "00F067AA"), With(36, "-"), With(53, "0A"), With(53, ".0"),
                    With(53, "0-"), With(3, std::string(1, '\0')), With(10, "\x80"),
                    kSampled + "," + kSampled, "00-" + std::string(52, '-')));

TEST(Tracestate, IsPassedOnAsItCame) {
  const std::string longest = "a=" + std::string(256, 'x') + ",b=" + std::string(251, 'x');
  ASSERT_EQ(longest.size(), 512u);
  std::string most = "k=v";
  for (int i = 1; i < 32; ++i) most += ",k" + std::to_string(i) + "=v";
  for (const std::string& text :
       {std::string("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), std::string("a=1, b=2 ,\tc=3"),
        std::string("a=1,,b=2,"), std::string("fw529a3039@dt=FfI/L"), std::string("0a_-*/=x y"),
        longest, most}) {
    EXPECT_EQ(ParseTracestate(text), text);
  }
}

class BadTracestate : public testing::TestWithParam<std::string> {};

TEST_P(BadTracestate, IsDropped) { EXPECT_EQ(ParseTracestate(GetParam()), ""); }

std::string Members(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i > 0 ? ",k" : "k") + std::to_string(i) + "=v";
  return text;
}

INSTANTIATE_TEST_SUITE_P(AllKinds, BadTracestate,
                         testing::Values("", ",", " ", "a", "a=", "=1", "a=1,b", "A=1", "_a=1",
                                         "a b=1", "a =1", "a=b=c", "a=\x01", "a=\x80", "a=1,a=2",
                                         Members(33), std::string("a=1\0", 4),
                                         std::string(257, 'k') + "=v", "a=" + std::string(257, 'v'),
                                         "a=" + std::string(256, 'x') +
                                             ",b=" + std::string(252, 'x')));

TEST(TraceContext, IsOfBothHeaders) {
  EXPECT_EQ(ReadTraceContext(kSampled, "a=1").state, "a=1");
  EXPECT_EQ(ReadTraceContext(kSampled, "a"), *ParseTraceparent(kSampled));
  EXPECT_EQ(ReadTraceContext("", "a=1"), TraceContext{});
}

}  // namespace
}  // namespace baton
