#include "batch_sender.h"

#include <map>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::otlp {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);
constexpr Duration kShort = std::chrono::milliseconds(1);

/// What a receiver hears, and what the test has it answer.
struct Wire {
  /// How many spans each post has.
  Mailbox<int64_t> posts{64};
  Mailbox<Answer> answers{64};
  Gate stopped;
};

class ScriptedReceiver final : public Receiver {
 public:
  explicit ScriptedReceiver(Wire& wire) : wire_(wire) {}
  Answer Post(const std::string& batch) override {
    int64_t spans = 0;
    const auto json = nlohmann::json::parse(batch);
    for (const auto& resource : json["resourceSpans"]) {
      spans += static_cast<int64_t>(resource["scopeSpans"][0]["spans"].size());
    }
    wire_.posts.TrySend(std::move(spans));
    return wire_.answers.Receive(kPatience).value_or(Answer{.status = Unavailable("silent")});
  }
  void Stop() override {
    wire_.stopped.Open();
    wire_.answers.Close();
  }
  std::string name() const override { return "http://test"; }

 private:
  Wire& wire_;
};

class BatchSenderTest : public testing::Test {
 protected:
  BatchSenderTest() {
    settings_.interval = kShort;
    settings_.batch_spans = 4;
    settings_.queue_spans = 8;
  }
  void Start() {
    sender_ = std::make_unique<BatchSender>(
        ExporterOptions{.settings = settings_,
                        .version = "1",
                        .instance = "host:1",
                        .flush = flush_,
                        .unix_ahead = [] { return Duration{}; }},
        std::make_unique<ScriptedReceiver>(wire_), registry_, Clock::System(), kShort);
  }
  void Take(size_t count) {
    const telemetry::TraceSpan span{.where = {.trace = {1, 2}, .span = SpanId(3)}, .name = "s"};
    sender_->Take({.process = "p",
                   .role = "decode",
                   .spans = std::vector<telemetry::TraceSpan>(count, span)});
  }
  void AnswerWith(int http_status) { wire_.answers.TrySend({.http_status = http_status}); }
  int64_t NextPost() { return wire_.posts.Receive(kPatience).value_or(-1); }
  /// Ends the sender, and counts.
  int64_t Count(const std::string& outcome) {
    sender_.reset();
    for (const auto& family : registry_.Collect().families) {
      if (family.name != "baton_otlp_spans_total") continue;
      for (const auto& sample : family.samples) {
        for (const auto& label : sample.labels) {
          if (label.second == outcome) return static_cast<int64_t>(sample.value);
        }
      }
    }
    return -1;
  }

  Settings settings_;
  Duration flush_ = kPatience;
  telemetry::MetricRegistry registry_;
  Wire wire_;
  std::unique_ptr<BatchSender> sender_;
};

TEST_F(BatchSenderTest, SendsWhatHasWaitedLongEnough) {
  Start();
  Take(1);
  EXPECT_EQ(NextPost(), 1);
  AnswerWith(200);
  EXPECT_EQ(Count("sent"), 1);
}

TEST_F(BatchSenderTest, SendsABatchAtOnceThatIsLargeEnough) {
  settings_.interval = std::chrono::hours(1);
  Start();
  Take(3);
  Take(1);
  EXPECT_EQ(NextPost(), 4);
  AnswerWith(200);
}

TEST_F(BatchSenderTest, SendsWhatIsLeftWhenItEnds) {
  settings_.interval = std::chrono::hours(1);
  Start();
  Take(2);
  AnswerWith(200);
  EXPECT_EQ(Count("sent"), 2);
}

TEST_F(BatchSenderTest, SendsABatchAgainUntilItIsTaken) {
  Start();
  for (const int status : {503, 429, 502, 200}) AnswerWith(status);
  Take(2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(NextPost(), 2);
  EXPECT_EQ(Count("sent"), 2);
  EXPECT_EQ(Count("failed"), 0);
}

TEST_F(BatchSenderTest, GivesABatchUpAfterSomeAttempts) {
  Start();
  for (int i = 0; i < BatchSender::kAttempts; ++i) AnswerWith(503);
  Take(2);
  for (int i = 0; i < BatchSender::kAttempts; ++i) EXPECT_EQ(NextPost(), 2);
  AnswerWith(200);
  Take(1);
  EXPECT_EQ(NextPost(), 1);
  EXPECT_EQ(Count("failed"), 2);
  EXPECT_EQ(Count("sent"), 1);
}

TEST_F(BatchSenderTest, TriesNothingAgainThatIsRefused) {
  Start();
  AnswerWith(400);
  AnswerWith(200);
  Take(2);
  EXPECT_EQ(NextPost(), 2);
  Take(3);
  EXPECT_EQ(NextPost(), 3);
  EXPECT_EQ(Count("failed"), 2);
}

TEST_F(BatchSenderTest, CountsWhatTheReceiverRejected) {
  Start();
  wire_.answers.TrySend(
      {.http_status = 200, .body = R"({"partialSuccess": {"rejectedSpans": "1"}})"});
  Take(3);
  EXPECT_EQ(NextPost(), 3);
  EXPECT_EQ(Count("sent"), 2);
  EXPECT_EQ(Count("rejected"), 1);
}

TEST_F(BatchSenderTest, DropsWhatTheQueueDoesNotHold) {
  Start();
  Take(4);
  EXPECT_EQ(NextPost(), 4);  // And waits for its answer.
  Take(5);
  Take(3);
  Take(1);
  for (int i = 0; i < 4; ++i) AnswerWith(200);
  EXPECT_EQ(Count("dropped"), 1);
  EXPECT_EQ(Count("sent"), 12);
}

TEST_F(BatchSenderTest, EndsInTimeAlthoughNobodyAnswers) {
  flush_ = kShort;
  Start();
  Take(2);
  EXPECT_EQ(NextPost(), 2);
  EXPECT_EQ(Count("failed"), 2);
  EXPECT_TRUE(wire_.stopped.Wait(Duration::zero()));
}

}  // namespace
}  // namespace baton::otlp
