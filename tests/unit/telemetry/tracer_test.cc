#include "baton/telemetry/tracer.h"

#include <gtest/gtest.h>

namespace baton::telemetry {
namespace {

class KeptSpans final : public SpanSink {
 public:
  void Take(ProcessSpans spans) override { kept.push_back(std::move(spans)); }
  std::vector<ProcessSpans> kept;
};

const TraceContext kRemote{.trace = {1, 2}, .span = SpanId(3), .sampled = true, .state = "a=1"};
const TraceContext kUnsampled{.trace = {1, 2}, .span = SpanId(3), .sampled = false, .state = "a=1"};

class TracerTest : public testing::Test {
 protected:
  KeptSpans sink_;
  ManualClock clock_;
};

TEST_F(TracerTest, GoesOnInTheTraceOfWhoeverBeganIt) {
  Tracer tracer(sink_, {.heeds_parent = true, .ratio = 0}, clock_, 1);
  const TraceContext here = tracer.Enter(kRemote);
  EXPECT_EQ(here.trace, kRemote.trace);
  EXPECT_NE(here.span, kRemote.span);
  EXPECT_TRUE(here.sampled);
  EXPECT_EQ(here.state, "a=1");
}

TEST_F(TracerTest, LeavesARequestWhereItIsThatIsNotSampled) {
  Tracer tracer(sink_, {.heeds_parent = true, .ratio = 1}, clock_, 1);
  EXPECT_EQ(tracer.Enter(kUnsampled), kUnsampled);
  Tracer never(sink_, {.heeds_parent = true, .ratio = 0}, clock_, 1);
  EXPECT_EQ(never.Enter({}), TraceContext{});
}

TEST_F(TracerTest, DecidesByItselfWhereItDoesNotHeedTheParent) {
  Tracer always(sink_, {.heeds_parent = false, .ratio = 1}, clock_, 1);
  EXPECT_TRUE(always.Enter(kUnsampled).sampled);
  Tracer never(sink_, {.heeds_parent = false, .ratio = 0}, clock_, 1);
  EXPECT_EQ(never.Enter(kRemote), kUnsampled);
}

TEST_F(TracerTest, SamplesThePartOfTracesThatItIsAskedFor) {
  Tracer tracer(sink_, {.heeds_parent = true, .ratio = 0.25}, clock_, 1);
  int sampled = 0;
  for (int i = 0; i < 4000; ++i) sampled += tracer.Enter({}).sampled ? 1 : 0;
  EXPECT_NEAR(sampled, 1000, 100);
}

TEST_F(TracerTest, NeverNamesTwoSpansTheSame) {
  Tracer tracer(sink_, {}, clock_, 1);
  const TraceContext one = tracer.Enter({});
  const TraceContext other = tracer.Enter({});
  EXPECT_TRUE(one.valid() && other.valid());
  EXPECT_NE(one.trace, other.trace);
  EXPECT_NE(one.span, other.span);
}

TEST_F(TracerTest, HandsASpanOnWhenItEnds) {
  Tracer tracer(sink_, {}, clock_, 1);
  TraceContext here;
  auto span = EnterSpan(&tracer, kRemote, "POST /v1/completions", here);
  ASSERT_TRUE(span);
  const TimePoint begin = clock_.Now();
  clock_.Advance(Duration(5));
  span->Fail("503");
  span->Fail("500");
  EXPECT_TRUE(sink_.kept.empty());
  span.reset();

  ASSERT_EQ(sink_.kept.size(), 1u);
  const TraceSpan& kept = sink_.kept[0].spans.at(0);
  EXPECT_EQ(kept.where, here);
  EXPECT_EQ(kept.parent, kRemote.span);
  EXPECT_EQ(kept.begin, begin);
  EXPECT_EQ(kept.end, begin + Duration(5));
  EXPECT_EQ(kept.error, "503");
}

TEST_F(TracerTest, HasNoSpanWithoutATracerOrASample) {
  TraceContext here;
  EXPECT_FALSE(EnterSpan(nullptr, kRemote, "x", here));
  EXPECT_EQ(here, kRemote);
  Tracer tracer(sink_, {}, clock_, 1);
  EXPECT_FALSE(EnterSpan(&tracer, kUnsampled, "x", here));
  EXPECT_EQ(here, kUnsampled);
}

}  // namespace
}  // namespace baton::telemetry
