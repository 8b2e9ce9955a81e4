#include "traced_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream_table.h"

namespace baton::worker {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

/// What a caller gets, in order: "token 5", "report d0 queued offer, p0 chunk", "end OK".
class CallersStream final : public rpc::GenerateStream {
 public:
  bool SendRoute(const std::string& route) override { return Say("route " + route); }
  bool SendToken(const TokenOutput& output) override {
    return Say("token " + std::to_string(output.token));
  }
  bool SendReport(const rpc::GenerateReport& report) override {
    std::string text = "report";
    for (const telemetry::ProcessTrace& trace : report.traces) {
      text += (text == "report" ? " " : ", ") + trace.process;
      for (const telemetry::Span& span : trace.spans) text += " " + span.name;
    }
    last = report;
    return Say(text);
  }
  void Finish(const Status& status) override { Say("end " + status.ToString()); }

  std::vector<std::string> said;
  rpc::GenerateReport last;

 private:
  bool Say(std::string text) {
    said.push_back(std::move(text));
    return true;
  }
};

class TracedStreamTest : public testing::Test {
 protected:
  ManualClock clock_;
  std::shared_ptr<CallersStream> caller_ = std::make_shared<CallersStream>();
  TracedStream stream_{caller_, "d0", clock_};
};

TEST_F(TracedStreamTest, ReportsTheHandoffAtOnceAndTheRestBeforeTheLastToken) {
  stream_.Stage("queued", clock_.Now());
  stream_.AddPeer({.process = "p0", .spans = {{.name = "chunk"}}});
  stream_.SendReport({});
  stream_.SendToken({.token = 5});
  stream_.SendToken({.token = 6});
  stream_.SendToken({.token = 7, .finish = FinishReason::kLength});
  stream_.Finish(OkStatus());

  EXPECT_THAT(caller_->said,
              ElementsAre("report d0 queued, p0 chunk", "token 5", "token 6",
                          "report d0 first token decode step decode step", "token 7", "end OK"));
}

TEST_F(TracedStreamTest, TellsAPromptThatWasPrefilledHere) {
  clock_.Advance(milliseconds(20));
  stream_.SendToken({.token = 5, .position = 9, .finish = FinishReason::kStop});

  EXPECT_THAT(caller_->said, ElementsAre("report d0 prefill here", "token 5"));
  const telemetry::Span& span = caller_->last.traces.at(0).spans.at(0);
  EXPECT_EQ(span.end - span.begin, milliseconds(20));
  EXPECT_EQ(span.args.at(0).value, 9);
}

TEST_F(TracedStreamTest, ReportsWhatAFailedRequestDid) {
  stream_.Stage("queued", clock_.Now());
  stream_.Finish(Internal("x"));

  EXPECT_THAT(caller_->said, ElementsAre("report d0 queued", "end Internal: x"));
}

TEST_F(TracedStreamTest, IsKnownToTheTableByItsCaller) {
  StreamTable table;
  const auto traced = std::make_shared<TracedStream>(caller_, "d0", clock_);
  table.Add(SequenceId{2}, {.stream = traced, .traced = traced, .caller = caller_.get()});

  EXPECT_EQ(table.FindSequence(caller_.get()), SequenceId{2});
  EXPECT_EQ(table.Find(SequenceId{2}), traced);
  EXPECT_EQ(table.FindEntry(SequenceId{2})->traced, traced);
  EXPECT_EQ(table.Remove(SequenceId{2}), traced);
  EXPECT_EQ(table.FindSequence(caller_.get()), std::nullopt);
  EXPECT_FALSE(table.FindEntry(SequenceId{2}));
}

}  // namespace
}  // namespace baton::worker
