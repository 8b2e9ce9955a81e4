#include <cstring>

#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "support/transport_endpoint.h"

/// What a UCX transport learns about its paths from the first transfers.
namespace baton::transport {
namespace {

constexpr size_t kBytes = size_t{2} << 20;

class UcxCosts : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < kBytes; ++i) a_.region.data[i] = std::byte(i * 40503u >> 7);
    std::memset(b_.region.data, 0, kBytes);
    to_b_ = *a_.transport->Connect(*b_.transport->Address());
    ASSERT_TRUE(b_.transport->Connect(*a_.transport->Address()).ok());
  }
  void Put(const Descriptor& descriptor) {
    const size_t before = a_.done.size();
    ASSERT_TRUE(a_.transport->Put(to_b_, {&descriptor, 1}).ok());
    for (int round = 0; round < 100000 && a_.done.size() == before; ++round) {
      if (!(a_.transport->Progress() | b_.transport->Progress())) {
        a_.transport->Wait(std::chrono::microseconds(100));
      }
    }
    ASSERT_EQ(a_.done.size(), before + 1);
    EXPECT_TRUE(a_.done.back().status.ok());
  }

  Endpoint a_{*MakeUcxTransport({.transports = GetParam()}), kBytes};
  Endpoint b_{*MakeUcxTransport({.transports = GetParam()}), kBytes};
  PeerId to_b_{};
};

TEST_P(UcxCosts, AreKnownAfterTheFirstLargeTransferWhichArrivesWhole) {
  Put({.bytes = kBytes});
  EXPECT_EQ(std::memcmp(a_.region.data, b_.region.data, kBytes), 0);
  const std::optional<PathCost> cost = a_.transport->CostOf(to_b_);
  ASSERT_TRUE(cost.has_value());
  EXPECT_GT(cost->bytes_per_s, 0);
  EXPECT_GE(cost->per_put, Duration::zero());
  EXPECT_FALSE(b_.transport->CostOf(PeerId{1}).has_value()) << "it has put nothing";
}

TEST_P(UcxCosts, AreNotMadeUpFromSmallTransfers) {
  Put({.bytes = 4096});
  EXPECT_FALSE(a_.transport->CostOf(to_b_).has_value());
}

INSTANTIATE_TEST_SUITE_P(Paths, UcxCosts, testing::Values("", "tcp"), [](const auto& path) {
  return *path.param == '\0' ? std::string("AsFound") : path.param;
});

}  // namespace
}  // namespace baton::transport
