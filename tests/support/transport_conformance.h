#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "baton/transport/transport.h"
#include "support/transport_endpoint.h"

/// One suite for all transports: instantiate TransportConformance with a TransportKind each.
namespace baton::transport {

using MakeTransport = std::function<std::unique_ptr<Transport>()>;

struct TransportKind {
  std::string name;
  /// Makes a world, and returns what makes transports that reach each other in it.
  std::function<MakeTransport()> make_world;
  RegionAccess access{};
  /// Puts arrive by what the receiver itself does, so that none lands once it has disconnected.
  bool receiver_writes = false;
  /// Why this host cannot run it; empty where it can.
  std::function<std::string()> why_not = [] { return std::string(); };

  friend std::ostream& operator<<(std::ostream& out, const TransportKind& kind) {
    return out << kind.name;
  }
};

inline constexpr size_t kRegionBytes = size_t{9} << 20;

/// Two connected endpoints, a and b.
class TransportConformance : public testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    if (const std::string why_not = GetParam().why_not(); !why_not.empty()) {
      GTEST_SKIP() << why_not;
    }
    make_ = GetParam().make_world();
    a_ = MakeEndpoint();
    b_ = MakeEndpoint();
    std::tie(to_b_, to_a_) = Join(*a_, *b_);
  }

  std::unique_ptr<Endpoint> MakeEndpoint(size_t region_bytes = kRegionBytes) {
    return std::make_unique<Endpoint>(make_(), region_bytes, GetParam().access);
  }

  /// Each one's id for the other.
  std::pair<PeerId, PeerId> Join(Endpoint& x, Endpoint& y) {
    return {*x.transport->Connect(*y.transport->Address()),
            *y.transport->Connect(*x.transport->Address())};
  }

  /// Lets all progress until `reached`; false when it is not within very many rounds.
  bool Until(const std::function<bool()>& reached, std::vector<Endpoint*> more = {}) {
    for (int round = 0; round < 20000; ++round) {
      if (reached()) return true;
      bool worked = false;
      for (Endpoint* endpoint : more) worked |= endpoint->transport->Progress();
      for (auto* endpoint : {a_.get(), b_.get()}) {
        if (endpoint != nullptr) worked |= endpoint->transport->Progress();
      }
      if (!worked) a_->transport->Wait(std::chrono::milliseconds(1));
    }
    return reached();
  }

  /// Lets everything happen that is under way.
  void Settle(const std::vector<Endpoint*>& more = {}) {
    int idle = 0;
    Until([&] { return ++idle > 50; }, more);
  }

  static std::string Pattern(size_t bytes) {
    std::string pattern(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<char>(i * 2654435761u >> 13);
    return pattern;
  }
  void FillPattern(const Endpoint& endpoint, size_t bytes) { endpoint.Write(0, Pattern(bytes)); }

  MakeTransport make_;
  std::unique_ptr<Endpoint> a_;
  std::unique_ptr<Endpoint> b_;
  PeerId to_b_{};
  PeerId to_a_{};
};

TEST_P(TransportConformance, PutsArriveWholeFromOneByteToMegabytes) {
  FillPattern(*a_, kRegionBytes);
  for (size_t bytes : {size_t{1}, size_t{63}, size_t{4096}, size_t{100'001}, size_t{8} << 20}) {
    b_->Write(0, std::string(kRegionBytes, '\0'));
    a_->done.clear();
    const Descriptor put{17, 4099, bytes};
    const TransferId id = *a_->transport->Put(to_b_, {&put, 1});

    ASSERT_TRUE(Until([&] { return !a_->done.empty(); })) << bytes;

    EXPECT_EQ(a_->done[0].transfer, id);
    EXPECT_TRUE(a_->done[0].status.ok()) << a_->done[0].status;
    EXPECT_TRUE(b_->Read(4099, bytes) == a_->Read(17, bytes)) << bytes;
    EXPECT_EQ(b_->Read(4098, 1)[0], '\0');
    EXPECT_EQ(b_->Read(4099 + bytes, 1)[0], '\0');
  }
}

TEST_P(TransportConformance, ManyDescriptorsAreOneTransfer) {
  FillPattern(*a_, kRegionBytes);
  std::vector<Descriptor> scattered;
  for (uint64_t i = 0; i < 2000; ++i) scattered.push_back({i * 512, (1999 - i) * 512, 512});
  ASSERT_TRUE(a_->transport->Put(to_b_, scattered).ok());

  ASSERT_TRUE(Until([&] { return !a_->done.empty(); }));

  EXPECT_EQ(a_->done.size(), 1u);
  for (const Descriptor& d : scattered) {
    ASSERT_TRUE(b_->Read(d.remote_offset, d.bytes) == a_->Read(d.local_offset, d.bytes));
  }
}

TEST_P(TransportConformance, TransfersUnderWayTogetherEachEndOnce) {
  std::vector<TransferId> ids;
  for (uint64_t i = 0; i < 40; ++i) {
    const Descriptor put{i * 1000, i * 1000, 1000};
    ids.push_back(*a_->transport->Put(to_b_, {&put, 1}));
  }

  ASSERT_TRUE(Until([&] { return a_->done.size() >= ids.size(); }));
  Settle();

  std::vector<TransferId> ended;
  for (const auto& done : a_->done) ended.push_back(done.transfer);
  std::sort(ended.begin(), ended.end());
  EXPECT_EQ(ended, ids);
}

TEST_P(TransportConformance, RefusesPutsOutsideEitherRegion) {
  const Descriptor too_long{0, 0, kRegionBytes + 1};
  const Descriptor from_outside{kRegionBytes - 1, 0, 2};
  const Descriptor to_outside{0, kRegionBytes - 1, 2};
  const Descriptor overflowing{0, ~uint64_t{0}, 2};
  for (const Descriptor& put : {too_long, from_outside, to_outside, overflowing}) {
    EXPECT_EQ(a_->transport->Put(to_b_, {&put, 1}).status().code(), StatusCode::kOutOfRange);
  }
}

TEST_P(TransportConformance, MessagesArriveInOrderWhateverTheirSizes) {
  std::vector<std::string> sent;
  for (int i = 0; i < 300; ++i) {
    const size_t bytes = i % 50 == 7 ? 200'000 : static_cast<size_t>(i) * 37 % 9001;
    sent.push_back(std::string(bytes, static_cast<char>('a' + i % 26)) + std::to_string(i));
    ASSERT_TRUE(a_->Send(to_b_, sent.back()).ok());
  }

  ASSERT_TRUE(Until([&] { return b_->messages.size() >= sent.size(); }));

  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(b_->messages[i].peer, to_a_);
    ASSERT_TRUE(b_->messages[i].bytes == sent[i]) << i;
  }
}

TEST_P(TransportConformance, MessagesGoBothWays) {
  ASSERT_TRUE(a_->Send(to_b_, "ping").ok());
  ASSERT_TRUE(b_->Send(to_a_, "pong").ok());

  ASSERT_TRUE(Until([&] { return !a_->messages.empty() && !b_->messages.empty(); }));

  EXPECT_EQ(b_->messages[0].bytes, "ping");
  EXPECT_EQ(a_->messages[0].bytes, "pong");
}

TEST_P(TransportConformance, CarriesEmptyAndLongestMessagesAndRefusesLonger) {
  const std::string longest(Transport::kMaxMessageBytes, 'x');
  ASSERT_TRUE(a_->Send(to_b_, "").ok());
  ASSERT_TRUE(a_->Send(to_b_, longest).ok());
  EXPECT_EQ(a_->Send(to_b_, longest + "x").code(), StatusCode::kInvalidArgument);

  ASSERT_TRUE(Until([&] { return b_->messages.size() >= 2; }));

  EXPECT_EQ(b_->messages[0].bytes, "");
  EXPECT_TRUE(b_->messages[1].bytes == longest);
}

TEST_P(TransportConformance, AMessageAfterAPutFindsItsBytes) {
  b_->watched = 100'000;
  for (int round = 0; round < 5; ++round) {
    a_->Write(0, std::string(100'000, static_cast<char>('A' + round)));
    a_->done.clear();
    const Descriptor put{0, 0, 100'000};
    ASSERT_TRUE(a_->transport->Put(to_b_, {&put, 1}).ok());
    ASSERT_TRUE(Until([&] { return !a_->done.empty(); }));
    ASSERT_TRUE(a_->Send(to_b_, "there").ok());
    const size_t seen = b_->messages.size();

    ASSERT_TRUE(Until([&] { return b_->messages.size() > seen; }));

    EXPECT_TRUE(b_->messages.back().region == std::string(100'000, static_cast<char>('A' + round)));
  }
}

TEST_P(TransportConformance, DisconnectEndsTransfersOnce) {
  const Descriptor put{0, 0, kRegionBytes};
  std::vector<TransferId> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(*a_->transport->Put(to_b_, {&put, 1}));

  a_->transport->Disconnect(to_b_);

  ASSERT_TRUE(Until([&] { return a_->done.size() >= ids.size(); }));
  EXPECT_EQ(a_->done.size(), ids.size());
  for (const auto& done : a_->done) EXPECT_EQ(done.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(a_->Send(to_b_, "late").code(), StatusCode::kUnavailable);
  EXPECT_EQ(a_->transport->Put(to_b_, {&put, 1}).status().code(), StatusCode::kUnavailable);
}

TEST_P(TransportConformance, NothingIsDeliveredAfterDisconnect) {
  ASSERT_TRUE(a_->Send(to_b_, "late").ok());
  b_->transport->Disconnect(to_a_);
  const auto third = MakeEndpoint(4096);
  Endpoint& c = *third;
  const auto [c_to_b, b_to_c] = Join(c, *b_);
  ASSERT_TRUE(c.Send(c_to_b, "from c").ok());

  ASSERT_TRUE(Until([&] { return !b_->messages.empty(); }, {&c}));

  ASSERT_EQ(b_->messages.size(), 1u);
  EXPECT_EQ(b_->messages[0].peer, b_to_c);
}

TEST_P(TransportConformance, DropsMessagesOfThoseItIsNotConnectedTo) {
  const auto third = MakeEndpoint(4096);
  Endpoint& c = *third;
  const PeerId c_to_b = *c.transport->Connect(*b_->transport->Address());
  ASSERT_TRUE(c.Send(c_to_b, "who is there").ok());
  ASSERT_TRUE(a_->Send(to_b_, "from a").ok());

  ASSERT_TRUE(Until([&] { return !b_->messages.empty(); }, {&c}));
  Settle({&c});

  ASSERT_EQ(b_->messages.size(), 1u);
  EXPECT_EQ(b_->messages[0].peer, to_a_);
}

TEST_P(TransportConformance, ReconnectsUnderANewPeerId) {
  a_->transport->Disconnect(to_b_);
  b_->transport->Disconnect(to_a_);
  const auto [again_to_b, again_to_a] = Join(*a_, *b_);

  ASSERT_TRUE(a_->Send(again_to_b, "again").ok());

  ASSERT_TRUE(Until([&] { return !b_->messages.empty(); }));
  EXPECT_NE(again_to_b, to_b_);
  EXPECT_NE(again_to_a, to_a_);
  EXPECT_EQ(b_->messages[0].peer, again_to_a);
  EXPECT_EQ(b_->messages[0].bytes, "again");
}

TEST_P(TransportConformance, ARestartedPeerIsANewPeer) {
  b_->transport->Disconnect(to_a_);
  b_.reset();
  a_->transport->Disconnect(to_b_);
  b_ = MakeEndpoint();
  const auto [new_to_b, new_to_a] = Join(*a_, *b_);
  FillPattern(*a_, 5000);
  const Descriptor put{0, 0, 5000};
  ASSERT_TRUE(a_->transport->Put(new_to_b, {&put, 1}).ok());

  ASSERT_TRUE(Until([&] { return !a_->done.empty(); }));

  EXPECT_NE(new_to_b, to_b_);
  EXPECT_TRUE(a_->done[0].status.ok());
  EXPECT_TRUE(b_->Read(0, 5000) == a_->Read(0, 5000));
}

TEST_P(TransportConformance, OtherPeersAreServedAfterOneIsLost) {
  const auto third = MakeEndpoint();
  Endpoint& c = *third;
  const auto [a_to_c, c_to_a] = Join(*a_, c);
  const Descriptor put{0, 0, kRegionBytes};
  ASSERT_TRUE(a_->transport->Put(to_b_, {&put, 1}).ok());
  ASSERT_TRUE(a_->Send(to_b_, std::string(500'000, 'x')).ok());
  b_.reset();
  a_->transport->Disconnect(to_b_);

  ASSERT_TRUE(c.Send(c_to_a, "still here").ok());
  ASSERT_TRUE(a_->transport->Put(a_to_c, {&put, 1}).ok());

  ASSERT_TRUE(Until([&] { return a_->done.size() >= 2 && !a_->messages.empty(); }, {&c}));
  EXPECT_EQ(a_->messages[0].bytes, "still here");
  EXPECT_EQ(a_->done.back().peer, a_to_c);
  EXPECT_TRUE(a_->done.back().status.ok());
}

TEST_P(TransportConformance, RefusesASecondConnectionToTheSamePeer) {
  EXPECT_EQ(a_->transport->Connect(*b_->transport->Address()).status().code(),
            StatusCode::kAlreadyExists);
}

TEST_P(TransportConformance, RefusesWhatIsNotAnAddress) {
  std::string address = *b_->transport->Address();
  for (const std::string& bad :
       {std::string(), std::string("nonsense"), address.substr(0, address.size() / 2)}) {
    EXPECT_FALSE(a_->transport->Connect(bad).ok()) << bad;
  }
}

TEST_P(TransportConformance, PutsBetweenTheRegionsThatAreNamed) {
  const auto made_x = MakeEndpoint(4096), made_y = MakeEndpoint(4096);
  Endpoint &x = *made_x, &y = *made_y;
  const MemoryRegion from = x.Allocate(20'000);
  const MemoryRegion to = y.Allocate(30'000);
  y.Allocate(4096);
  const PeerId to_y = Join(x, y).first;
  x.Write(from, 0, Pattern(from.bytes));
  const std::vector<Descriptor> puts = {{.local_offset = 3,
                                         .remote_offset = 9000,
                                         .bytes = 17'000,
                                         .local_region = 1,
                                         .remote_region = 1},
                                        {.local_offset = 0,
                                         .remote_offset = 96,
                                         .bytes = 4000,
                                         .local_region = 1,
                                         .remote_region = 2}};

  ASSERT_TRUE(x.transport->Put(to_y, puts).ok());

  ASSERT_TRUE(Until([&] { return !x.done.empty(); }, {&x, &y}));
  EXPECT_TRUE(x.done[0].status.ok()) << x.done[0].status;
  EXPECT_TRUE(y.Read(to, 9000, 17'000) == x.Read(from, 3, 17'000));
  EXPECT_EQ(y.Read(to, 8999, 1)[0], '\0');
  EXPECT_TRUE(y.Read(0, 4096) == std::string(4096, '\0'));
  const Descriptor beyond{.bytes = 1, .local_region = 1, .remote_region = 3};
  EXPECT_EQ(x.transport->Put(to_y, {&beyond, 1}).status().code(), StatusCode::kOutOfRange);
}

TEST_P(TransportConformance, HasALimitedNumberOfRegions) {
  for (size_t i = 1; i < Transport::kMaxRegions; ++i) {
    ASSERT_TRUE(a_->transport->AllocateRegion(64, GetParam().access.memory).ok());
  }
  EXPECT_EQ(a_->transport->AllocateRegion(64, GetParam().access.memory).status().code(),
            StatusCode::kResourceExhausted);
}

TEST_P(TransportConformance, WaitEndsByItsTimeout) {
  Settle();
  a_->transport->Wait(std::chrono::milliseconds(5));
  SUCCEED();
}

TEST_P(TransportConformance, WakeFromAnotherThreadEndsTheWait) {
  Settle();
  std::jthread waker([&] { a_->transport->Wake(); });
  // Would outlast the test's time limit if the wake were lost.
  a_->transport->Wait(std::chrono::hours(1));
  SUCCEED();
}

TEST_P(TransportConformance, AMessageEndsTheWait) {
  ASSERT_TRUE(a_->Send(to_b_, "meet first").ok());
  ASSERT_TRUE(Until([&] { return !b_->messages.empty(); }));
  b_->messages.clear();
  std::jthread sender([&] {
    if (!a_->Send(to_b_, "wake up").ok()) return;
    for (int i = 0; i < 100; ++i) a_->transport->Progress();
  });
  while (b_->messages.empty()) {
    if (!b_->transport->Progress()) b_->transport->Wait(std::chrono::hours(1));
  }
  EXPECT_EQ(b_->messages[0].bytes, "wake up");
}

TEST_P(TransportConformance, AConnectedPeerCanWrite) {
  EXPECT_TRUE(a_->transport->CanStillWrite(to_b_));
  EXPECT_TRUE(a_->transport->IsThere(to_b_));
}

TEST_P(TransportConformance, NothingLandsOnceItIsProvenThatNothingCan) {
  const Descriptor put{0, 0, kRegionBytes};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a_->transport->Put(to_b_, {&put, 1}).ok());
  for (int i = 0; i < 5; ++i) {
    a_->transport->Progress();
    b_->transport->Progress();
  }
  b_->transport->Disconnect(to_a_);
  Settle();

  ASSERT_EQ(b_->transport->CanStillWrite(to_a_), !GetParam().receiver_writes);
  if (!GetParam().receiver_writes) return;
  const std::string ours(kRegionBytes, 'x');
  b_->Write(0, ours);
  Settle();
  EXPECT_TRUE(b_->Read(0, kRegionBytes) == ours);
}

TEST_P(TransportConformance, SaysWhatCarriesTheData) {
  ASSERT_TRUE(a_->Send(to_b_, "hello").ok());
  ASSERT_TRUE(Until([&] { return !b_->messages.empty(); }));
  EXPECT_FALSE(a_->transport->DescribePath(to_b_).empty());
  EXPECT_NE(a_->transport->DescribePath(to_b_), "unknown");
}

}  // namespace baton::transport
