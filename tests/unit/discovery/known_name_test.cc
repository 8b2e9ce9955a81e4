#include "known_name.h"

#include <gtest/gtest.h>

namespace baton::discovery {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart{};
const std::vector<std::string> kSome{"10.0.0.7:7000"};

class KnownNameTest : public testing::Test {
 protected:
  KnownNameTest() {
    EXPECT_TRUE(name_.Learn(outbound::Addresses{.addresses = kSome}, kStart).ok());
  }
  KnownName name_{"decode.svc:7000"};
};

TEST_F(KnownNameTest, KeepsItsAddressesForAsLongAsNobodyCanSay) {
  EXPECT_FALSE(name_.Learn(Unavailable("timeout"), kStart + seconds(1)).ok());
  EXPECT_FALSE(name_.Learn(Unavailable("timeout"), kStart + std::chrono::hours(9)).ok());
  EXPECT_EQ(name_.addresses(), kSome);
}

TEST_F(KnownNameTest, HasNoneOnceThatHasBeenSaidForLongEnough) {
  EXPECT_FALSE(name_.Learn(NotFound("none"), kStart).ok());
  EXPECT_FALSE(name_.Learn(NotFound("none"), kStart + seconds(29)).ok());
  EXPECT_EQ(name_.addresses(), kSome);
  EXPECT_TRUE(name_.Learn(NotFound("none"), kStart + seconds(30)).ok());
  EXPECT_TRUE(name_.addresses().empty());
}

TEST_F(KnownNameTest, BeginsAnewToBelieveThatThereAreNoneAfterAnyOtherAnswer) {
  EXPECT_FALSE(name_.Learn(NotFound("none"), kStart).ok());
  EXPECT_FALSE(name_.Learn(Unavailable("timeout"), kStart + seconds(29)).ok());
  EXPECT_FALSE(name_.Learn(NotFound("none"), kStart + seconds(30)).ok());
  EXPECT_EQ(name_.addresses(), kSome);
}

TEST(KnownName, HasNoneToBeginWith) {
  KnownName name("decode.svc:7000");
  EXPECT_TRUE(name.Learn(NotFound("none"), kStart).ok());
  EXPECT_TRUE(name.addresses().empty());
}

}  // namespace
}  // namespace baton::discovery
