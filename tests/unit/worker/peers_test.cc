#include "worker/peers.h"

#include <gtest/gtest.h>

#include "baton/base/mailbox.h"
#include "baton/rpc/server.h"
#include "baton/transport/loopback.h"
#include "joins.h"

namespace baton::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A prefill worker that joins whoever asks, over a real connection.
class Prefill final : public rpc::WorkerHandler {
 public:
  explicit Prefill(const std::string& address)
      : hello_(Hello("p0", 9, address)),
        server_(*rpc::WorkerServer::Start("127.0.0.1:0", *this, seconds(1))) {}

  rpc::PeerAddress address() const { return {.name = "p0", .address = server_->address()}; }

  rpc::WorkerDescription Describe() override { return hello_.worker; }
  rpc::WorkerStatus CurrentStatus() override { return {}; }
  void SetPeers(std::vector<rpc::PeerAddress>) override {}
  void OnGenerate(rpc::GenerateCall, std::shared_ptr<rpc::GenerateStream>) override {}
  void OnGenerateEnded(rpc::GenerateStream*) override {}
  void OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) override {
    rpc::JoinHello answer = hello_;
    answer.connection = hello.connection;
    stream->Accept(answer);
    joins.TrySend(std::move(stream));
  }
  void OnJoinAlive(rpc::JoinStream*) override { signs.TrySend(1); }
  void OnJoinEnded(rpc::JoinStream*) override { ended.TrySend(1); }

  Mailbox<std::shared_ptr<rpc::JoinStream>> joins{16};
  Mailbox<int> signs{64};
  Mailbox<int> ended{16};

 private:
  const rpc::JoinHello hello_;
  std::unique_ptr<rpc::WorkerServer> server_;
};

class NoListener final : public handoff::DecodeSideListener {
  void OnCommitted(SequenceId, TokenOutput, const handoff::CommitReport&) override {}
  void OnHandoffFailed(SequenceId, handoff::Failure, Status) override {}
  void OnReleased(SequenceId) override {}
  void OnPeerStuck(transport::PeerId, Status) override {}
};

/// The test's thread is the transport thread, and its clock stands.
class PeersTest : public testing::Test {
 protected:
  PeersTest()
      : ours_(Hello("d0", 5, *transport_->Address())),
        decode_({}, {ours_.worker.identity, {region_}}, *transport_, listener_, clock_),
        peers_(ours_, {*transport_, decode_, metrics_, rpc::WorkerClient::Create, clock_, {}},
               [this](std::function<void()> work) { work_.TrySend(std::move(work)); }) {
    peers_.Set({prefill_.address()});
    EXPECT_TRUE(DoUntil([this] { return joined(); }));
  }
  ~PeersTest() override {
    peers_.Close();
    EXPECT_TRUE(DoUntil([this] { return peers_.idle(); }));
  }

  bool joined() const { return peers_.Find("p0").has_value(); }
  bool DoUntil(const std::function<bool()>& reached) {
    while (!reached()) {
      auto work = work_.Receive(kPatience);
      if (!work) return false;
      (*work)();
    }
    return true;
  }
  void Advance(Duration duration) {
    clock_.Advance(duration);
    peers_.Tick(clock_.Now());
  }

  ManualClock clock_;
  transport::LoopbackNetwork network_;
  std::unique_ptr<transport::Transport> transport_ = network_.MakeEndpoint("d0");
  std::unique_ptr<transport::Transport> other_ = network_.MakeEndpoint("p0");
  Prefill prefill_{*other_->Address()};
  NoListener listener_;
  WorkerMetrics metrics_{"d0"};
  transport::MemoryRegion region_ = *transport_->AllocateRegion(4096);
  rpc::JoinHello ours_;
  handoff::DecodeSide decode_;
  Mailbox<std::function<void()>> work_{256};
  Peers peers_;
};

TEST_F(PeersTest, GivesUpASilentPeerAndJoinsItAnew) {
  ASSERT_TRUE(prefill_.joins.Receive(kPatience));
  for (int i = 0; i < 5; ++i) Advance(milliseconds(100));
  EXPECT_TRUE(joined());
  Advance(milliseconds(100));
  EXPECT_FALSE(joined());
  EXPECT_EQ(peers_.silent(), 1);
  EXPECT_TRUE(prefill_.ended.Receive(kPatience));

  ASSERT_TRUE(DoUntil([this] { return peers_.idle(); }));
  Advance(seconds(1));
  EXPECT_TRUE(DoUntil([this] { return joined(); }));
}

TEST_F(PeersTest, KeepsAPeerThatGivesSignsOfLife) {
  const auto stream = prefill_.joins.Receive(kPatience);
  ASSERT_TRUE(stream);
  for (int i = 0; i < 20; ++i) {
    Advance(milliseconds(100));
    // One that comes while the one before has not left is left out.
    std::optional<std::function<void()>> heard;
    while (!heard) {
      (*stream)->SendAlive();
      heard = work_.Receive(milliseconds(20));
    }
    (*heard)();
  }
  EXPECT_TRUE(joined());
}

TEST_F(PeersTest, KeepsAPeerWhoseMessagesArrive) {
  for (int i = 0; i < 20; ++i) {
    Advance(milliseconds(100));
    peers_.Heard(*peers_.Find("p0"), clock_.Now());
  }
  EXPECT_TRUE(joined());
}

TEST_F(PeersTest, LosesNobodyWhenItWasStoppedItself) {
  Advance(seconds(60));
  EXPECT_TRUE(joined());
}

TEST_F(PeersTest, OffersNothingToAPeerThatLeavesAndEndsTheJoin) {
  const auto stream = prefill_.joins.Receive(kPatience);
  ASSERT_TRUE(stream);
  (*stream)->SendLeaving();
  EXPECT_TRUE(DoUntil([this] { return !joined(); }));
  EXPECT_EQ(peers_.problems(),
            (std::vector<rpc::JoinProblem>{{"p0", "it takes no more hand-offs"}}));
  Advance(milliseconds(1));
  EXPECT_TRUE(prefill_.ended.Receive(kPatience));
}

TEST_F(PeersTest, KeepsOneThatIsNotWantedWhileAHandoffOfItsIsUnderWay) {
  const Request request{.id = "r", .prompt = {1, 2, 3}};
  ASSERT_TRUE(decode_.Offer(*peers_.Find("p0"), request, {SequenceId{1}, {BlockId{0}}}).ok());
  peers_.Set({});
  Advance(milliseconds(1));
  EXPECT_FALSE(joined());
  EXPECT_EQ(decode_.Stats().offered, 1);
  EXPECT_FALSE(peers_.idle());
}

TEST_F(PeersTest, JoinsOneThatIsNotWantedForTheBlocksThatWaitForItsWord) {
  const transport::PeerId peer = *peers_.Find("p0");
  const Request request{.id = "r", .prompt = {1, 2, 3}};
  ASSERT_TRUE(decode_.Offer(peer, request, {SequenceId{1}, {BlockId{0}}}).ok());
  peers_.Set({});
  peers_.Lose(peer, Unavailable("it was lost"));
  EXPECT_EQ(decode_.Stats().quarantined, 1);
  ASSERT_TRUE(DoUntil([this] { return peers_.idle(); }));
  Advance(milliseconds(20));
  EXPECT_TRUE(DoUntil([this] { return decode_.Stats().quarantined == 0; }));
  Advance(milliseconds(1));
  EXPECT_TRUE(DoUntil([this] { return peers_.idle(); }));
  Advance(seconds(5));
  EXPECT_TRUE(peers_.idle()) << "it was dialled once more";
}

TEST_F(PeersTest, GivesSignsOfLifeItself) {
  for (int i = 0; i < 3; ++i) {
    bool seen = false;
    for (int turn = 0; !seen && turn < 1000; ++turn) {
      Advance(kSilence / 3);
      peers_.Heard(*peers_.Find("p0"), clock_.Now());
      seen = prefill_.signs.Receive(milliseconds(20)).has_value();
    }
    EXPECT_TRUE(seen);
  }
}

}  // namespace
}  // namespace baton::worker
