#include "baton/base/ip_network.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

bool Contains(std::string_view network, std::string_view address) {
  return IpNetwork::Parse(network)->Contains(address);
}

TEST(IpNetwork, ContainsTheAddressesThatBeginWithItsBits) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("10.4.0.0/14", "10.7.255.255"));
  EXPECT_FALSE(Contains("10.4.0.0/14", "10.8.0.0"));
  EXPECT_TRUE(Contains("fd00:1::/32", "fd00:1:2::3"));
  EXPECT_FALSE(Contains("fd00:1::/32", "fd00:2::3"));
}

TEST(IpNetwork, IsOneAddressWithoutAPrefix) {
  EXPECT_TRUE(Contains("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(Contains("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(Contains("::1", "::1"));
}

TEST(IpNetwork, KnowsAnIpv4AddressWithinAnIpv6One) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "::ffff:11.1.2.3"));
}

TEST(IpNetwork, OfNoBitsContainsAllOfItsFamily) {
  EXPECT_TRUE(Contains("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "fd00::1"));
  EXPECT_TRUE(Contains("::/0", "8.8.8.8"));
}

TEST(IpNetwork, DoesNotContainWhatIsNoAddress) {
  EXPECT_FALSE(Contains("::/0", ""));
  EXPECT_FALSE(Contains("::/0", "localhost"));
}

TEST(IpNetwork, SaysWhatIsWrongWithWhatIsNone) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                           "host/8", "fd00::/129"}) {
    EXPECT_EQ(IpNetwork::Parse(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(IpNetwork::Parse("10.0.0.1/8").status().message(),
            "'10.0.0.1/8' is not a network like 10.0.0.0/8: it has bits beyond its prefix");
}

}  // namespace
}  // namespace baton
