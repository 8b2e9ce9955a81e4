#include "baton/base/log_format.h"

#include <gtest/gtest.h>

#include "baton/base/trace_context.h"

namespace baton {
namespace {

std::string Line(std::string_view message) {
  return JsonLogLine(
      {.at = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'007)),
       .level = LogLevel::kWarning,
       .process = "p0",
       .message = message});
}

const std::string kBegin =
    R"({"time":"2023-11-14T22:13:20.007Z","level":"warning","process":"p0",)";

TEST(JsonLogLine, SaysWhenHowBadWhoAndWhat) {
  EXPECT_EQ(Line("all is well"), kBegin + R"("message":"all is well"})");
}

TEST(JsonLogLine, MakesTheRequestAFieldOfItsOwn) {
  EXPECT_EQ(Line("request cmpl-1-0: failed: late"),
            kBegin + R"("request":"cmpl-1-0","message":"failed: late"})");
}

TEST(JsonLogLine, MakesTheTraceAFieldOfItsOwn) {
  const TraceId trace{.high = 1, .low = 0xab};
  EXPECT_EQ(Line(LogSubject("cmpl-1-0", trace) + ": failed"),
            kBegin + R"("request":"cmpl-1-0","trace_id":"000000000000000100000000000000ab",)" +
                R"("message":"failed"})");
  EXPECT_EQ(LogSubject("cmpl-1-0", {}), "request cmpl-1-0");
}

TEST(JsonLogLine, TakesNoSentenceAboutRequestsForOne) {
  EXPECT_EQ(Line("request after request: gone"),
            kBegin + R"("message":"request after request: gone"})");
  EXPECT_EQ(Line("request : x"), kBegin + R"("message":"request : x"})");
  EXPECT_EQ(Line("request 7"), kBegin + R"("message":"request 7"})");
}

TEST(JsonLogLine, IsOneLineOfValidJsonWhateverIsInIt) {
  EXPECT_EQ(Line("a\n\"b\"\\\x01 \xc3\xa4 \xe2\x82 \xed\xa0\x80"),
            kBegin +
                "\"message\":\"a\\u000a\\\"b\\\"\\\\\\u0001 \xc3\xa4 \\ufffd\\ufffd "
                "\\ufffd\\ufffd\\ufffd\"}");
}

TEST(OneLine, LeavesNothingThatLooksLikeAnotherLine) {
  EXPECT_EQ(OneLine("one\ntwo\x1b[31m\r"), "one | two [31m ");
}

}  // namespace
}  // namespace baton
