#include "baton/loadgen/load_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/loadgen/scripted_client.h"

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// A load on a clock and a server that do what the test says.
class ScriptedLoad : public testing::Test {
 protected:
  LoadResult Run(const LoadOptions& options) {
    return RunLoad({.clock = clock_,
                    .client = client_,
                    .prompts = *prompts_,
                    .watch = watch_,
                    .stop = stop_.get_token()},
                   options);
  }
  static LoadOptions Open(std::vector<Duration> due) {
    return {.loop = OpenLoop{std::move(due)}, .format = {.model = "m"}};
  }
  static LoadOptions Closed(int32_t concurrency, const Extent& extent) {
    return {.loop = ClosedLoop{concurrency, extent}, .format = {.model = "m"}};
  }

  ManualClock clock_;
  Script script_ = StreamScript({milliseconds(30), milliseconds(40), milliseconds(70)}, 11, 3);
  ScriptedClient client_{clock_, [this](const HttpCall&) { return script_; }};
  std::unique_ptr<Prompts> prompts_ = MakeSyntheticPrompts(
      {.prompt_tokens = {.first = 10}, .output_tokens = {.first = 3}}, WordList());
  std::function<void(const LoadProgress&)> watch_;
  std::stop_source stop_;
};

TEST_F(ScriptedLoad, MeasuresTheTimesThatTheServerTook) {
  const LoadResult result = Run(Open({milliseconds(5), milliseconds(1000)}));

  ASSERT_THAT(result.records, SizeIs(2));
  for (const Record& record : result.records) {
    EXPECT_EQ(record.outcome, Outcome::kDone) << record.message;
    EXPECT_EQ(record.sent, record.due);
    EXPECT_EQ(record.ttft(), milliseconds(30));
    EXPECT_EQ(record.pieces[1] - record.pieces[0], milliseconds(10));
    EXPECT_EQ(record.pieces[2] - record.pieces[1], milliseconds(30));
    EXPECT_EQ(record.tpot(), milliseconds(20));
    EXPECT_EQ(record.end - record.due, milliseconds(70));
  }
  EXPECT_EQ(result.records[1].due, milliseconds(1000));
}

TEST_F(ScriptedLoad, TakesTheServersCountOfTokens) {
  const Record record = Run(Open({{}})).records.front();
  EXPECT_TRUE(record.usage);
  EXPECT_EQ(record.prompt_tokens, 11);
  EXPECT_EQ(record.output_tokens, 3);
  EXPECT_EQ(record.planned_prompt_tokens, 10);
}

TEST_F(ScriptedLoad, CountsPiecesWhereTheServerCountsNothing) {
  script_ = {.pieces = {{milliseconds(1), "data: {\"choices\":[{\"text\":\"a\"}]}\n\n"},
                        {milliseconds(2), "data: {\"choices\":[{\"text\":\"b\"}]}\n\n"},
                        {milliseconds(3), "data: [DONE]\n\n"}},
             .end_at = milliseconds(3),
             .end = {.http_status = 200}};
  const Record record = Run(Open({{}})).records.front();
  EXPECT_FALSE(record.usage);
  EXPECT_EQ(record.prompt_tokens, 10);
  EXPECT_EQ(record.output_tokens, 2);
}

TEST_F(ScriptedLoad, DoesNotWaitForAnswersInAnOpenLoop) {
  script_ = StreamScript({seconds(100)}, 1, 1);
  std::vector<Duration> due(50);
  for (size_t i = 0; i < due.size(); ++i) due[i] = milliseconds(10 * i);
  const LoadResult result = Run(Open(due));
  EXPECT_EQ(client_.most_at_once, 50U);
  for (const Record& record : result.records) EXPECT_EQ(record.sent, record.due);
}

TEST_F(ScriptedLoad, CountsFromTheDueTimeWhatHeldUpTheGenerator) {
  client_.start_takes = milliseconds(200);
  const LoadResult result = Run(Open({{}, {}, {}}));
  EXPECT_EQ(result.records[2].sent - result.records[2].due, milliseconds(400));
  EXPECT_GE(result.records[2].ttft(), milliseconds(430));
  EXPECT_EQ(result.records[2].ttft() - result.records[2].ttft_from_sent(), milliseconds(400));
}

TEST_F(ScriptedLoad, KeepsAClosedLoopFull) {
  const LoadResult result = Run(Closed(4, {.requests = 21}));
  EXPECT_THAT(result.records, SizeIs(21));
  EXPECT_EQ(client_.most_at_once, 4U);
  // Five rounds of four at a time, and one more.
  EXPECT_EQ(result.elapsed, milliseconds(6 * 70));
}

TEST_F(ScriptedLoad, MakesTheNextRequestOfAClosedLoopDueWhenOneEnds) {
  const LoadResult result = Run(Closed(1, {.requests = 3}));
  EXPECT_EQ(result.records[0].due, milliseconds(0));
  EXPECT_EQ(result.records[1].due, milliseconds(70));
  EXPECT_EQ(result.records[2].due, milliseconds(140));
}

TEST_F(ScriptedLoad, EndsAClosedLoopAfterItsDuration) {
  const LoadResult result = Run(Closed(2, {.duration = milliseconds(200)}));
  // Begun at 0, 70 and 140; what was begun is answered.
  EXPECT_THAT(result.records, SizeIs(6));
  for (const Record& record : result.records) EXPECT_TRUE(record.done());
}

TEST_F(ScriptedLoad, CancelsWhatRunsWhenItIsStopped) {
  script_ = StreamScript({milliseconds(10), seconds(60)}, 1, 2);
  watch_ = [&](const LoadProgress& progress) {
    if (progress.elapsed >= seconds(5)) stop_.request_stop();
  };
  const LoadResult result = Run(Open({{}, seconds(1), seconds(50)}));
  EXPECT_TRUE(result.stopped);
  ASSERT_THAT(result.records, SizeIs(2));
  EXPECT_EQ(result.records[0].outcome, Outcome::kCancelled);
  EXPECT_THAT(result.records[0].pieces, ElementsAre(milliseconds(10)));
  EXPECT_LT(result.elapsed, seconds(6));
}

TEST_F(ScriptedLoad, TellsItsWatcherHowFarItIs) {
  LoadProgress last;
  watch_ = [&](const LoadProgress& progress) { last = progress; };
  Run(Open({{}, milliseconds(1)}));
  EXPECT_EQ(last.ended, 2);
  EXPECT_EQ(last.requests, 2);
  EXPECT_EQ(last.running, 0);
  EXPECT_EQ(last.pieces, 6);
}

TEST_F(ScriptedLoad, AsksForWhatThePromptsSay) {
  Run(Open({{}}));
  ASSERT_THAT(client_.calls, SizeIs(1));
  EXPECT_EQ(client_.calls[0].path, "/v1/completions");
  EXPECT_THAT(client_.calls[0].body, HasSubstr("\"max_tokens\":3"));
}

TEST_F(ScriptedLoad, SendsNothingWhereNothingIsDue) {
  EXPECT_THAT(Run(Open({})).records, SizeIs(0));
  EXPECT_THAT(client_.calls, SizeIs(0));
}

}  // namespace
}  // namespace baton::loadgen
