#include <gtest/gtest.h>

#include "baton/base/gate.h"
#include "baton/base/mailbox.h"
#include "baton/transport/loopback.h"
#include "joins.h"
#include "prefill_service.h"

/// How a prefill worker keeps, loses and takes anew the decode workers that joined it.
namespace baton::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RecordingStream final : public rpc::JoinStream {
 public:
  explicit RecordingStream(Mailbox<std::string>& said) : said_(said) {}
  void Accept(const rpc::JoinHello& ours) override {
    said_.TrySend("accepted " + std::to_string(ours.connection) + (ours.leaving ? " leaving" : ""));
  }
  void SendAlive() override { said_.TrySend("alive"); }
  void SendLeaving() override { said_.TrySend("leaving"); }
  void Refuse(const Status& status) override {
    said_.TrySend("ended: " + std::string(status.message()));
  }

 private:
  Mailbox<std::string>& said_;
};

class IdleEngine final : public engine::Engine {
  void Run(std::stop_token) override {}
  bool Submit(engine::Submission) override { return false; }
  bool Cancel(SequenceId) override { return true; }
  bool Commit(SequenceId, TokenOutput) override { return true; }
  bool FailHandoff(SequenceId, Status) override { return true; }
  bool PrefillHere(SequenceId) override { return true; }
  bool Release(SequenceId) override { return true; }
  void SetLayerGroup(int32_t layers) override { layer_group = layers; }
  bool Inspect(std::function<void(std::vector<engine::SequenceReport>)>) override { return false; }
  engine::EngineStats Stats() const override { return {}; }
  engine::EngineProgress Progress() const override { return {}; }

 public:
  std::atomic<int32_t> layer_group{0};
};

class PrefillJoins : public testing::Test {
 protected:
  PrefillJoins()
      : thread_(*transport_, clock_),
        ours_(Hello("p0", 9, *transport_->Address())),
        service_(ours_, {.transport_thread = thread_,
                         .transport = *transport_,
                         .metrics = metrics_,
                         .clock = clock_,
                         .next_sequence = [] { return SequenceId{1}; },
                         .chunk_tokens = 512}),
        side_({}, {ours_.worker.identity, {region_}}, *transport_, service_, clock_) {
    service_.Connect(engine_, side_);
    thread_.Start([](TimePoint now) { return now + std::chrono::hours(1); });
  }

  ~PrefillJoins() override { thread_.Stop(); }

  std::shared_ptr<RecordingStream> Join(const rpc::JoinHello& hello) {
    auto stream = std::make_shared<RecordingStream>(said_);
    service_.OnJoin(hello, stream);
    return stream;
  }
  std::string Next() { return said_.Receive(kPatience).value_or("nothing"); }
  /// A turn of the transport thread at a later time.
  void Advance(Duration duration) {
    Gate done;
    thread_.Post([&] {
      clock_.Advance(duration);
      service_.Tick(clock_.Now());
      service_.FollowCosts();
      done.Open();
    });
    EXPECT_TRUE(done.Wait(kPatience));
  }
  rpc::JoinHello FromDecode() const { return Hello("d0", 5, *decode_->Address()); }

  ManualClock clock_;
  Mailbox<std::string> said_{64};
  transport::LoopbackNetwork network_{
      {.cost = transport::PathCost{.per_put = std::chrono::nanoseconds(80), .bytes_per_s = 12e9}}};
  std::unique_ptr<transport::Transport> transport_ = network_.MakeEndpoint("p0");
  std::unique_ptr<transport::Transport> decode_ = network_.MakeEndpoint("d0");
  WorkerMetrics metrics_{"p0"};
  transport::MemoryRegion region_ = *transport_->AllocateRegion(4096);
  TransportThread thread_;
  IdleEngine engine_;
  rpc::JoinHello ours_;
  PrefillService service_;
  handoff::PrefillSide side_;
};

TEST_F(PrefillJoins, GivesSignsOfLifeAndUpWhoGivesNone) {
  const auto stream = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  for (int i = 0; i < 6; ++i) Advance(milliseconds(100));
  EXPECT_EQ(Next(), "alive");
  EXPECT_EQ(Next(), "alive");
  EXPECT_EQ(Next(), "alive");
  EXPECT_EQ(Next(), "ended: decode worker d0 was lost: it was silent for 600 ms");
  EXPECT_EQ(service_.silent(), 1);
}

TEST_F(PrefillJoins, KeepsWhoGivesSignsOfLife) {
  const auto stream = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  for (int i = 0; i < 10; ++i) {
    service_.OnJoinAlive(stream.get());
    Advance(milliseconds(100));
  }
  EXPECT_EQ(service_.silent(), 0);
}

TEST_F(PrefillJoins, LosesNobodyWhenItWasStoppedItself) {
  const auto stream = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  Advance(seconds(60));
  EXPECT_EQ(service_.silent(), 0);
}

TEST_F(PrefillJoins, TakesADecodeWorkerAnewWhoseOldJoinItStillHolds) {
  const auto first = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  rpc::JoinHello hello = FromDecode();
  hello.connection = 7;
  const auto second = Join(hello);
  EXPECT_EQ(Next(), "ended: decode worker d0 was lost: it joins anew");
  EXPECT_EQ(Next(), "accepted 7");
  service_.OnJoinEnded(first.get());
  Advance(Duration(0));
  EXPECT_EQ(Next(), "alive");
}

TEST_F(PrefillJoins, HasTheEngineReportLayersInGroupsThatThePathIsWorth) {
  const auto stream = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  EXPECT_EQ(engine_.layer_group, 0);
  Advance(Duration(0));
  EXPECT_EQ(engine_.layer_group, 1);  // The model has no more.
}

TEST_F(PrefillJoins, AsksItsPeersToLeaveAndTellsThoseThatComeLater) {
  const auto stream = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6");
  Gate done;
  thread_.Post([&] {
    service_.TakeOffers(false);
    done.Open();
  });
  ASSERT_TRUE(done.Wait(kPatience));
  EXPECT_EQ(Next(), "leaving");
  service_.OnJoinEnded(stream.get());
  EXPECT_EQ(Next(), "ended: decode worker d0 was lost: it closed the connection");
  const auto again = Join(FromDecode());
  EXPECT_EQ(Next(), "accepted 6 leaving");
}

TEST_F(PrefillJoins, RefusesAnotherModelNamingIt) {
  rpc::JoinHello hello = FromDecode();
  hello.worker.identity.fingerprint = "other";
  const auto stream = Join(hello);
  EXPECT_NE(Next().find("other"), std::string::npos);
}

}  // namespace
}  // namespace baton::worker
