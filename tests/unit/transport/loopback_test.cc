#include "baton/transport/loopback.h"

#include <gtest/gtest.h>

#include "support/transport_endpoint.h"

namespace baton::transport {
namespace {

/// Two endpoints of a network.
struct Two {
  explicit Two(const LoopbackOptions& options)
      : network(options), a(network.MakeEndpoint("a"), 64), b(network.MakeEndpoint("b"), 64) {}

  void Connect(uint64_t connection) {
    to_b = *a.transport->Connect(*b.transport->Address(), connection);
    to_a = *b.transport->Connect(*a.transport->Address(), connection);
  }
  void Disconnect() {
    a.transport->Disconnect(to_b);
    b.transport->Disconnect(to_a);
  }

  LoopbackNetwork network;
  Endpoint a;
  Endpoint b;
  PeerId to_b{};
  PeerId to_a{};
};

TEST(Loopback, ShowsEachPieceOfAPutBeforeItLands) {
  Two two({.piece_bytes = 8});
  two.Connect(1);
  std::vector<std::string> seen;
  two.network.OnWrite([&](const LoopbackWrite& write) {
    EXPECT_EQ(two.b.region.data[write.piece.remote_offset], std::byte{0});
    seen.push_back(write.from + ">" + write.to + "@" + std::to_string(write.piece.remote_offset));
  });
  std::fill_n(two.a.region.data, 16, std::byte{7});
  const Descriptor descriptor{.local_offset = 0, .remote_offset = 32, .bytes = 16};
  ASSERT_TRUE(two.a.transport->Put(two.to_b, std::span(&descriptor, 1)).ok());
  two.a.transport->Progress();
  EXPECT_EQ(seen, (std::vector<std::string>{"a>b@32", "a>b@40"}));
  EXPECT_EQ(two.b.region.data[47], std::byte{7});
}

TEST(Loopback, RepeatsStaleMessagesAheadOfTheNextConnections) {
  Two two({.stale = 1});
  two.Connect(1);
  ASSERT_TRUE(two.a.Send(two.to_b, "first").ok());
  two.b.transport->Progress();
  two.Disconnect();
  two.Connect(2);
  ASSERT_TRUE(two.a.Send(two.to_b, "second").ok());
  two.b.transport->Progress();
  ASSERT_EQ(two.b.messages.size(), 3U);
  EXPECT_EQ(two.b.messages[1].bytes, "first");
  EXPECT_EQ(two.b.messages[1].peer, two.to_a);
  EXPECT_EQ(two.b.messages[2].bytes, "second");
}

TEST(Loopback, ProvesNoEndBetweenHosts) {
  for (const bool proof : {true, false}) {
    Two two({.proof = proof});
    two.Connect(1);
    EXPECT_EQ(two.a.transport->IsThere(two.to_b), proof);
    two.network.Kill("b");
    EXPECT_FALSE(two.a.transport->IsThere(two.to_b));
    EXPECT_EQ(two.a.transport->CanStillWrite(two.to_b), !proof);
  }
}

}  // namespace
}  // namespace baton::transport
