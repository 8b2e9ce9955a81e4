#include "baton/nodes/link.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/link_pair.h"

namespace baton::nodes {
namespace {

using testing::HasSubstr;

TEST(Link, CarriesBytesAsTheyAre) {
  const auto [here, there] = MakeLinkPair();
  ASSERT_TRUE(here->SendBytes("abcdef", 6).ok());
  std::string got(6, '\0');
  ASSERT_TRUE(there->ReceiveBytes(got.data(), 4).ok());
  ASSERT_TRUE(there->ReceiveBytes(got.data() + 4, 2).ok());
  EXPECT_EQ(got, "abcdef");
}

TEST(Link, NamesTheNodeThatIsGone) {
  auto [here, there] = MakeLinkPair("node 0", "node 3");
  there.reset();
  const Status lost = here->Receive().status();
  EXPECT_EQ(lost.code(), StatusCode::kUnavailable);
  EXPECT_THAT(lost.message(), HasSubstr("node 3 is lost"));
}

TEST(Link, LetsWhatWasSentBeforeItsEndArrive) {
  const auto [here, there] = MakeLinkPair();
  ASSERT_TRUE(here->Send(4, "last words").ok());
  here->Shutdown();
  EXPECT_EQ((*there->Receive()).body, "last words");
  EXPECT_FALSE(there->Receive().ok());
}

TEST(Link, EndsAWaitOfAnotherThread) {
  const auto [here, there] = MakeLinkPair();
  std::jthread waits([link = here] { EXPECT_FALSE(link->Receive().ok()); });
  here->Shutdown();
}

TEST(Link, RefusesAFrameThatIsTooLong) {
  const auto [here, there] = MakeLinkPair();
  const uint32_t head[] = {1, 0xFFFFFFFF};
  ASSERT_TRUE(here->SendBytes(head, sizeof head).ok());
  EXPECT_EQ(there->Receive().status().code(), StatusCode::kDataLoss);
}

TEST(Link, SaysWhetherSomethingIsThere) {
  const auto [here, there] = MakeLinkPair();
  EXPECT_FALSE(there->AwaitReadable(Duration::zero()));
  ASSERT_TRUE(here->Send(1).ok());
  EXPECT_TRUE(there->AwaitReadable(Duration::zero()));
}

}  // namespace
}  // namespace baton::nodes
