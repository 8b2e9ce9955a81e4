#include "baton/base/endpoint.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Endpoint, ReadsNamesAndAddresses) {
  const auto name = ParseEndpoint("decode-0.baton:7000");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "decode-0.baton");
  EXPECT_EQ(name->port, 7000);
  EXPECT_EQ(ParseEndpoint("10.0.0.7:65535")->port, 65535);
  EXPECT_EQ(ParseEndpoint("[fd00::7]:7000")->host, "fd00::7");
}

TEST(Endpoint, ReadsThoseToListenOn) {
  EXPECT_EQ(ParseEndpoint(":7000")->host, "");
  EXPECT_EQ(ParseEndpoint("0.0.0.0:0")->port, 0);
}

TEST(Endpoint, RefusesWhatIsNone) {
  for (const char* text : {"", "host", "host:", "host:x", "host:70000", "host:-1", "host:7000 ",
                           "fd00::7:7000", "[fd00::7]", "[fd00::7:7000", "[]:7000"}) {
    EXPECT_FALSE(ParseEndpoint(text)) << text;
  }
}

}  // namespace
}  // namespace baton
