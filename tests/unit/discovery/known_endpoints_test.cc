#include "known_endpoints.h"

#include <gtest/gtest.h>

namespace baton::discovery {
namespace {

constexpr TimePoint kStart{};
const std::string kAddress = "10.0.0.1:7000";
const std::vector<Place> kThere{{"", kAddress}};

class KnownEndpointsTest : public testing::Test {
 protected:
  KnownEndpointsTest() { Learn({.ready = {kAddress}, .withdrawn = {}, .problem = {}}); }
  void Learn(const EndpointView& view) { known_.Learn(view, kStart); }
  KnownEndpoints known_;
};

TEST_F(KnownEndpointsTest, KeepAnAddressThatMovesBetweenSlices) {
  Learn({});
  EXPECT_EQ(known_.Places(kStart), kThere);
  Learn({.ready = {kAddress}, .withdrawn = {}, .problem = {}});
  EXPECT_EQ(known_.next(), TimePoint::max());
  EXPECT_EQ(known_.Places(kStart + KnownEndpoints::kMove), kThere);
}

TEST_F(KnownEndpointsTest, ForgetAnAddressThatNoSliceHasForLongEnough) {
  Learn({});
  EXPECT_EQ(known_.next(), kStart + KnownEndpoints::kMove);
  EXPECT_TRUE(known_.Places(known_.next()).empty());
}

TEST_F(KnownEndpointsTest, ForgetAtOnceWhoIsSaidToEnd) {
  Learn({.ready = {}, .withdrawn = {kAddress}, .problem = {}});
  EXPECT_TRUE(known_.Places(kStart).empty());
}

}  // namespace
}  // namespace baton::discovery
