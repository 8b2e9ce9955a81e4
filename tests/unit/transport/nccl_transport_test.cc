#include "nccl/nccl_transport.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/transport/loopback.h"
#include "support/fake_device_access.h"
#include "support/fake_nccl.h"

/// Communicators that fail, hang and are replaced, over a fake NCCL and a clock that stands still.
namespace baton::transport {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr size_t kBytes = size_t{4} << 20;

class NcclTransportTest : public testing::Test {
 protected:
  explicit NcclTransportTest(const LoopbackOptions& messages = {}) : network_(messages) {}

  std::unique_ptr<Endpoint> Make(const NcclOptions& options = {}, int version = 22809) {
    auto messages = network_.MakeEndpoint("endpoint " + std::to_string(++endpoints_));
    return std::make_unique<Endpoint>(
        std::make_unique<NcclTransport>(
            options,
            NcclTransport::Parts{device_, nccl_.MakeApi(version), std::move(messages), &clock_}),
        kBytes, OnFakeDevice(device_));
  }
  /// The second to connect, `b`, knows that both have.
  void Join(Endpoint& a, Endpoint& b) {
    to_b_ = *a.transport->Connect(*b.transport->Address());
    to_a_ = *b.transport->Connect(*a.transport->Address());
  }
  bool Until(Endpoint& a, Endpoint& b, const std::function<bool()>& reached) {
    for (int round = 0; round < 5000 && !reached(); ++round) {
      a.transport->Progress();
      b.transport->Progress();
    }
    return reached();
  }
  void Rounds(Endpoint& a, Endpoint& b, int rounds = 200) {
    Until(a, b, [&] { return rounds-- <= 0; });
  }
  /// What becomes of a put of everything from `a` to `b`.
  Status PutAll(Endpoint& a, Endpoint& b) {
    a.done.clear();
    const Descriptor all{0, 0, kBytes};
    BATON_RETURN_IF_ERROR(a.transport->Put(to_b_, {&all, 1}).status());
    if (!Until(a, b, [&] { return !a.done.empty(); })) return DeadlineExceeded("it does not end");
    return a.done[0].status;
  }

  const std::shared_ptr<device::FakeDevice> device_ = std::make_shared<device::FakeDevice>(3);
  FakeNccl nccl_{*device_};
  LoopbackNetwork network_;
  ManualClock clock_;
  int endpoints_ = 0;
  PeerId to_b_{};
  PeerId to_a_{};
};

TEST_F(NcclTransportTest, MakesCommunicatorsBeforeTheFirstPut) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  Rounds(*a, *b);
  EXPECT_EQ(nccl_.begun(), 0) << "before both are known to have connected";
  b->transport->Prepare(to_a_);
  Rounds(*a, *b);
  EXPECT_EQ(nccl_.begun(), 4);
  EXPECT_TRUE(PutAll(*a, *b).ok());
  EXPECT_EQ(nccl_.begun(), 4);
}

TEST_F(NcclTransportTest, MakesThemByTheFirstMessageAtTheLatest) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  ASSERT_TRUE(b->Send(to_a_, "offer").ok());
  Rounds(*a, *b);
  EXPECT_EQ(nccl_.begun(), 4);
  ASSERT_EQ(a->messages.size(), 1u);
}

TEST_F(NcclTransportTest, MakesThemOnlyWherePutsGo) {
  const auto prefill = Make({.receives = false});
  const auto decode = Make({.sends = false});
  Join(*prefill, *decode);
  decode->transport->Prepare(to_a_);
  EXPECT_TRUE(PutAll(*prefill, *decode).ok());
  EXPECT_EQ(nccl_.begun(), 2);
  const Descriptor put{0, 0, 1};
  EXPECT_EQ(decode->transport->Put(to_a_, {&put, 1}).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(NcclTransportTest, EndsPutsWhenTheConnectionHangsAndTriesAgain) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  nccl_.faults().connecting_hangs = true;
  const Descriptor put{0, 0, 1000};
  ASSERT_TRUE(a->transport->Put(to_b_, {&put, 1}).ok());
  Rounds(*a, *b);
  EXPECT_TRUE(a->done.empty());
  clock_.Advance(seconds(30));
  ASSERT_TRUE(Until(*a, *b, [&] { return !a->done.empty(); }));
  EXPECT_EQ(a->done[0].status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(a->done[0].status.message(), HasSubstr("did not meet in time"));

  nccl_.faults().connecting_hangs = false;
  Rounds(*a, *b);
  clock_.Advance(seconds(1));
  EXPECT_TRUE(PutAll(*a, *b).ok());
}

TEST_F(NcclTransportTest, WaitsLongerAfterEachConnectionThatFails) {
  const auto a = Make({.receives = false});
  const auto b = Make({.sends = false});
  Join(*a, *b);
  nccl_.faults().connecting_fails = true;
  EXPECT_EQ(PutAll(*a, *b).code(), StatusCode::kUnavailable);
  std::vector<int> begun;
  for (int i = 0; i < 8; ++i) {
    Rounds(*a, *b);
    begun.push_back(nccl_.begun());
    clock_.Advance(std::chrono::milliseconds(500));
  }
  EXPECT_EQ(begun, (std::vector<int>{2, 4, 4, 6, 6, 6, 6, 8}));
}

TEST_F(NcclTransportTest, ReplacesACommunicatorThatBreaks) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  ASSERT_TRUE(PutAll(*a, *b).ok());
  nccl_.BreakAll();
  const Status broken = PutAll(*a, *b);
  EXPECT_EQ(broken.code(), StatusCode::kUnavailable);
  Rounds(*a, *b);
  clock_.Advance(seconds(1));
  EXPECT_TRUE(PutAll(*a, *b).ok());
}

TEST_F(NcclTransportTest, ReplacesACommunicatorThatCannotLaunch) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  nccl_.faults().launching_fails = true;
  EXPECT_EQ(PutAll(*a, *b).code(), StatusCode::kUnavailable);
  nccl_.faults().launching_fails = false;
  Rounds(*a, *b);
  clock_.Advance(seconds(1));
  EXPECT_TRUE(PutAll(*a, *b).ok());
}

TEST_F(NcclTransportTest, KeepsPutsThatWereNotLaunchedForTheNextCommunicator) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  ASSERT_TRUE(PutAll(*a, *b).ok());
  a->done.clear();
  nccl_.faults().transfers_hang = true;
  const Descriptor put{0, 0, 1000};
  std::vector<TransferId> ids;
  for (int i = 0; i < 9; ++i) ids.push_back(*a->transport->Put(to_b_, {&put, 1}));
  Rounds(*a, *b);
  clock_.Advance(seconds(10));
  Rounds(*a, *b);
  nccl_.faults().transfers_hang = false;
  clock_.Advance(seconds(1));
  ASSERT_TRUE(Until(*a, *b, [&] { return a->done.size() == ids.size(); }));
  EXPECT_FALSE(a->done.front().status.ok());
  EXPECT_EQ(a->done.back().transfer, ids.back());
  EXPECT_TRUE(a->done.back().status.ok());
}

/// A put that hangs is over for its sender only when the receiver's device is rid of it.
TEST_F(NcclTransportTest, EndsABrokenPutOnlyWhenNothingOfItCanLand) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  ASSERT_TRUE(PutAll(*a, *b).ok());
  nccl_.faults().transfers_hang = nccl_.faults().aborts_hang = true;
  const Descriptor all{0, 0, kBytes};
  a->done.clear();
  ASSERT_TRUE(a->transport->Put(to_b_, {&all, 1}).ok());
  Rounds(*a, *b);
  clock_.Advance(seconds(10));
  Rounds(*a, *b);
  EXPECT_TRUE(a->done.empty());

  nccl_.faults().transfers_hang = nccl_.faults().aborts_hang = false;
  ASSERT_TRUE(Until(*a, *b, [&] { return !a->done.empty(); }));
  EXPECT_EQ(a->done[0].status.code(), StatusCode::kUnavailable);
  const std::string ours(kBytes, 'x');
  b->Write(0, ours);
  Rounds(*a, *b);
  EXPECT_TRUE(b->Read(0, kBytes) == ours);
}

TEST_F(NcclTransportTest, APeerCanStillWriteUntilItsCommunicatorIsQuiet) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  ASSERT_TRUE(PutAll(*a, *b).ok());
  nccl_.faults().aborts_hang = true;
  b->transport->Disconnect(to_a_);
  Rounds(*a, *b);
  EXPECT_TRUE(b->transport->CanStillWrite(to_a_));
  EXPECT_EQ(b->transport->Connect(*a->transport->Address(), 2).status().code(),
            StatusCode::kUnavailable);
  nccl_.faults().aborts_hang = false;
  Rounds(*a, *b);
  EXPECT_FALSE(b->transport->CanStillWrite(to_a_));
  EXPECT_TRUE(b->transport->CanStillWrite(PeerId{99})) << "of an unknown peer nothing is known";
}

TEST_F(NcclTransportTest, LeavesNoCommunicatorBehind) {
  {
    const auto a = Make(), b = Make();
    Join(*a, *b);
    const Descriptor all{0, 0, kBytes};
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(a->transport->Put(to_b_, {&all, 1}).ok());
    Rounds(*a, *b, 20);
    EXPECT_GT(nccl_.alive(), 0);
  }
  EXPECT_EQ(nccl_.alive(), 0);
}

TEST_F(NcclTransportTest, CarriesMessagesWhileNoCommunicatorComesUp) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  nccl_.faults().connecting_hangs = true;
  ASSERT_TRUE(a->Send(to_b_, "abort").ok());
  EXPECT_TRUE(Until(*a, *b, [&] { return !b->messages.empty(); }));
}

TEST_F(NcclTransportTest, RefusesAPeerWithAnotherVersion) {
  const auto a = Make(), b = Make({}, 22703);
  const Status status = a->transport->Connect(*b->transport->Address()).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("2.27.3"));
  EXPECT_THAT(status.message(), HasSubstr("2.28.9"));
}

TEST_F(NcclTransportTest, MovesOnlyMemoryOfDevices) {
  NcclTransport transport({}, {device_, nccl_.MakeApi(), network_.MakeEndpoint("host")});
  EXPECT_EQ(transport.AllocateRegion(4096, MemoryKind::kHost).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(NcclTransportTest, NamesItsPathAndThatOfItsMessages) {
  const auto a = Make(), b = Make();
  Join(*a, *b);
  const Path path = a->transport->FindPath(to_b_);
  EXPECT_EQ(KindNames(path), "nccl");
  EXPECT_EQ(path.text, "nccl 2.28.9 on fake:0, messages over loopback (one process)");
}

/// The receiving end alone, opposite a sender that asks for what cannot be.
TEST_F(NcclTransportTest, NeverPostsAReceiveOutsideItsRegion) {
  const device::Allocation region = *device_->Allocate(1000);
  const std::unique_ptr<NcclApi> api = nccl_.MakeApi();
  const NcclSurroundings around{*api, *device_, {}, {{region.get(), 1000}}};
  for (const NcclPut::Run& run : {NcclPut::Run{0, 0, 1001},
                                  {0, 999, 2},
                                  {0, ~uint64_t{0}, 2},
                                  {0, 2, ~uint64_t{0}},
                                  {0, 5, 0},
                                  {1, 0, 1}}) {
    std::vector<NcclFailed> said;
    NcclReceiver receiver(
        around,
        [&](const NcclMessage& message) {
          said.push_back(std::get<NcclFailed>(message));
          return OkStatus();
        },
        [](std::unique_ptr<NcclCommunicator>) { ADD_FAILURE(); });
    receiver.OnInvite({1, *api->MakeUniqueId()}, clock_.Now());
    receiver.OnPut({.generation = 1, .transfer = 1, .last = true, .runs = {run}}, clock_.Now());
    for (int i = 0; i < 50; ++i) receiver.Progress(clock_.Now());
    ASSERT_EQ(said.size(), 1u) << run.offset << " " << run.bytes;
    EXPECT_FALSE(said[0].by_sender);
    EXPECT_THAT(said[0].reason, HasSubstr("the peer would put"));
  }
}

TEST_F(NcclTransportTest, IgnoresPutsOfAnEarlierCommunicator) {
  const device::Allocation region = *device_->Allocate(1000);
  const std::unique_ptr<NcclApi> api = nccl_.MakeApi();
  const NcclSurroundings around{*api, *device_, {}, {{region.get(), 1000}}};
  NcclReceiver receiver(
      around,
      [](const NcclMessage&) {
        ADD_FAILURE() << "it has nothing to say";
        return OkStatus();
      },
      [](std::unique_ptr<NcclCommunicator> buried) {
        while (!buried->Quiet()) {
        }
      });
  receiver.OnInvite({2, *api->MakeUniqueId()}, clock_.Now());
  receiver.OnPut({.generation = 1, .transfer = 1, .last = true, .runs = {{0, 0, 2000}}},
                 clock_.Now());
  for (int i = 0; i < 50; ++i) receiver.Progress(clock_.Now());
  receiver.Close();
}

/// Puts, breaks, hangs and new connections at random; each put has its own place at both ends.
class NcclRandomFaults : public NcclTransportTest, public testing::WithParamInterface<int> {
 protected:
  static constexpr size_t kPutBytes = 3000;

  NcclRandomFaults()
      : NcclTransportTest({.seed = static_cast<uint64_t>(GetParam()), .delay = 0.2}) {}

  void Fault(Random& random) {
    FakeNccl::Faults& faults = nccl_.faults();
    switch (random.Below(8)) {
      case 0: nccl_.BreakAll(); break;
      case 1: faults.transfers_hang = !faults.transfers_hang; break;
      case 2: faults.connecting_hangs = !faults.connecting_hangs; break;
      case 3: faults.connecting_fails = !faults.connecting_fails; break;
      case 4: faults.launching_fails = !faults.launching_fails; break;
      case 5: faults.aborts_hang = !faults.aborts_hang; break;
      default: clock_.Advance(seconds(random.Below(20)));
    }
  }
  /// Fine puts are whole; of the others nothing lands after they have ended.
  void CheckEnded(Endpoint& a, Endpoint& b) {
    for (; checked_ < a.done.size(); ++checked_) {
      const size_t place = static_cast<size_t>(a.done[checked_].transfer) * kPutBytes;
      const std::string landed = b.Read(place, kPutBytes);
      if (a.done[checked_].status.ok()) {
        ASSERT_TRUE(landed == a.Read(place, kPutBytes)) << place / kPutBytes;
      } else {
        b.Write(place, std::string(kPutBytes, 'x'));
        forbidden_.push_back(place);
      }
    }
  }

  size_t checked_ = 0;
  std::vector<size_t> forbidden_;
};

TEST_P(NcclRandomFaults, EachPutEndsOnceWholeOrForGood) {
  Random random(static_cast<uint64_t>(GetParam()));
  const auto a = Make(), b = Make();
  Join(*a, *b);
  std::string pattern(kBytes, '\0');
  for (char& c : pattern) c = static_cast<char>('A' + random.Below(20));
  a->Write(0, pattern);
  size_t puts = 0;
  for (int step = 0; step < 1500; ++step) {
    if (random.Below(10) == 0) Fault(random);
    if (puts < 1000 && random.Below(3) == 0) {
      const uint64_t place = (puts + 1) * kPutBytes;  // Transfers count from 1.
      const Descriptor halves[] = {{place, place, 1000}, {place + 1000, place + 1000, 2000}};
      ASSERT_EQ(static_cast<uint64_t>(*a->transport->Put(to_b_, halves)), ++puts);
    }
    a->transport->Progress();
    b->transport->Progress();
    CheckEnded(*a, *b);
  }
  nccl_.faults() = {};
  for (int i = 0; i < 20 && a->done.size() < puts; ++i) {
    clock_.Advance(seconds(40));
    Rounds(*a, *b, 500);
    CheckEnded(*a, *b);
  }
  ASSERT_EQ(a->done.size(), puts);
  std::set<TransferId> ended;
  for (const auto& done : a->done) EXPECT_TRUE(ended.insert(done.transfer).second);
  for (const size_t place : forbidden_) {
    EXPECT_TRUE(b->Read(place, kPutBytes) == std::string(kPutBytes, 'x')) << place / kPutBytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, NcclRandomFaults, testing::Range(0, 40));

}  // namespace
}  // namespace baton::transport
