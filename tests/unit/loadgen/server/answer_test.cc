#include "answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

/// What is recorded of a body that comes at once, and its end.
Record RecordOf(const std::string& body, const CallEnd& end = {.http_status = 200}) {
  Record record{.planned_prompt_tokens = 8};
  Answer answer(record);
  answer.OnBytes(end.http_status, body, milliseconds(10));
  answer.OnEnd(end, milliseconds(20));
  return record;
}

constexpr char kText[] = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n";
constexpr char kDone[] = "data: [DONE]\n\n";

TEST(Answer, IsDoneWithItsText) {
  const Record record = RecordOf(std::string(kText) + kDone);
  EXPECT_TRUE(record.done());
  EXPECT_THAT(record.pieces, ElementsAre(milliseconds(10)));
  EXPECT_EQ(record.end, milliseconds(20));
}

TEST(Answer, CountsAFinishWithoutAnyTextAsItsFirstToken) {
  const std::string finish = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n";
  EXPECT_THAT(RecordOf(finish + kDone).pieces, ElementsAre(milliseconds(10)));
  EXPECT_THAT(RecordOf(kText + finish + kDone).pieces, ElementsAre(milliseconds(10)));
}

TEST(Answer, ThatIsRefusedFailsByItsStatusWithTheServersMessage) {
  const Record record =
      RecordOf(R"({"error":{"message":"slow down","type":"x"}})", {.http_status = 429});
  EXPECT_EQ(record.outcome, Outcome::kFailed);
  EXPECT_EQ(record.error, "http 429");
  EXPECT_EQ(record.message, "slow down");
}

TEST(Answer, ThatEndsWithoutItsLastEventWasCutOff) {
  const Record record = RecordOf(kText);
  EXPECT_EQ(record.error, "cut off");
  EXPECT_THAT(record.message, HasSubstr("[DONE]"));
}

TEST(Answer, FailsWithTheErrorInItsStreamRatherThanWithWhatFollows) {
  const Record record =
      RecordOf(kText + std::string("data: {\"error\":{\"message\":\"worker lost\"}}\n\n"),
               {.http_status = 200, .error = "cut off", .message = "reset"});
  EXPECT_EQ(record.error, "error in stream");
  EXPECT_EQ(record.message, "worker lost");
}

TEST(Answer, WithoutTextOrFinishFails) { EXPECT_EQ(RecordOf(kDone).error, "no text"); }

TEST(Answer, ThatNeverCameFailsByWhatTheNetworkSaid) {
  const Record record = RecordOf("", {.error = "connect", .message = "refused"});
  EXPECT_EQ(record.error, "connect");
  EXPECT_EQ(record.message, "refused");
  EXPECT_TRUE(record.pieces.empty());
}

}  // namespace
}  // namespace baton::loadgen
