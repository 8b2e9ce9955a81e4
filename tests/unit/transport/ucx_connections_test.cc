#include <cstring>

#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "support/transport_endpoint.h"

/// What arrives over a connection that its receiver has replaced.
namespace baton::transport {
namespace {

constexpr size_t kBytes = 4096;

class UcxConnections : public testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<Endpoint> Make() {
    return std::make_unique<Endpoint>(*MakeUcxTransport({.transports = GetParam()}), kBytes);
  }
  bool Until(const std::function<bool()>& reached) {
    for (int round = 0; round < 20000 && !reached(); ++round) {
      if (!(a_->transport->Progress() | b_->transport->Progress())) {
        a_->transport->Wait(std::chrono::microseconds(100));
      }
    }
    return reached();
  }
  PeerId Connect(Endpoint& from, const Endpoint& to, uint64_t connection) {
    return *from.transport->Connect(*to.transport->Address(), connection);
  }

  std::unique_ptr<Endpoint> a_ = Make();
  std::unique_ptr<Endpoint> b_ = Make();
};

TEST_P(UcxConnections, AMessageOfAnotherConnectionIsDroppedAndCounted) {
  const PeerId to_b = Connect(*a_, *b_, 1);
  Connect(*b_, *a_, 2);
  ASSERT_TRUE(a_->Send(to_b, "stale").ok());
  EXPECT_TRUE(Until([&] { return b_->transport->dropped().earlier_connection == 1; }));
  EXPECT_TRUE(b_->messages.empty());
}

TEST(UcxConnectionsOverTcp, APutOfAnotherConnectionWritesNothing) {
  Endpoint a(*MakeUcxTransport({.transports = "tcp"}), kBytes);
  Endpoint b(*MakeUcxTransport({.transports = "tcp"}), kBytes);
  const PeerId to_b = *a.transport->Connect(*b.transport->Address(), 1);
  ASSERT_TRUE(b.transport->Connect(*a.transport->Address(), 2).ok());
  std::memset(a.region.data, 0x5A, kBytes);
  std::memset(b.region.data, 0, kBytes);
  const Descriptor all{.local_offset = 0, .remote_offset = 0, .bytes = kBytes};
  ASSERT_TRUE(a.transport->Put(to_b, {&all, 1}).ok());
  for (int i = 0; i < 20000 && b.transport->dropped().earlier_connection == 0; ++i) {
    if (!(a.transport->Progress() | b.transport->Progress())) {
      a.transport->Wait(std::chrono::microseconds(100));
    }
  }
  EXPECT_EQ(b.transport->dropped().earlier_connection, 1);
  EXPECT_TRUE(a.done.empty());
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(b.region.data[i], std::byte{0}) << i;
}

INSTANTIATE_TEST_SUITE_P(Paths, UcxConnections, testing::Values("", "tcp"), [](const auto& path) {
  return *path.param == '\0' ? std::string("AsFound") : path.param;
});

}  // namespace
}  // namespace baton::transport
