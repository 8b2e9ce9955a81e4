#include "places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::discovery {
namespace {

using testing::HasSubstr;

TEST(Places, ReadNamesAndAddressesAsLinesOrAsAYamlList) {
  const std::vector<Place> expected{{"p0", "10.0.0.7:7000"}, {"", "[fd00::1]:7001"}};
  EXPECT_EQ(*ParsePlaces("# the fleet\np0=10.0.0.7:7000\n\n  [fd00::1]:7001 # names itself\n", "f"),
            expected);
  EXPECT_EQ(*ParsePlaces("- p0=10.0.0.7:7000\r\n- \"[fd00::1]:7001\"", "f"), expected);
}

TEST(Places, AreNoneInAnEmptyFile) { EXPECT_TRUE(ParsePlaces("# nobody\n", "f")->empty()); }

TEST(Places, NameTheLineThatIsWrong) {
  for (const char* wrong : {"p0=10.0.0.7", "10.0.0.7:0", "p0 10.0.0.7:7000", "p1=10.0.0.7:7000"}) {
    const auto places = ParsePlaces("p0=10.0.0.7:7000\n" + std::string(wrong), "workers.txt");
    EXPECT_EQ(places.status().code(), StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(places.status().message(), HasSubstr("workers.txt:2")) << wrong;
  }
}

}  // namespace
}  // namespace baton::discovery
