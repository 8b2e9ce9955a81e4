#include "baton/nodes/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::nodes {
namespace {

using testing::HasSubstr;

TEST(Connect, CarriesFramesBothWays) {
  const auto listener = *Listener::Open("127.0.0.1:0");
  const auto dialled = *Dial(listener->address());
  const auto accepted = *listener->Accept(std::chrono::seconds(5));
  ASSERT_NE(accepted, nullptr);
  ASSERT_TRUE(dialled->Send(7, "from the follower").ok());
  ASSERT_TRUE(accepted->Send(8, std::string(100'000, 'x')).ok());
  const Frame there = *accepted->Receive();
  const Frame here = *dialled->Receive();
  EXPECT_EQ(there.kind, 7u);
  EXPECT_EQ(there.body, "from the follower");
  EXPECT_EQ(here.body, std::string(100'000, 'x'));
  EXPECT_THAT(accepted->peer(), HasSubstr("127.0.0.1:"));
}

TEST(Connect, SaysNobodyWhereNobodyComes) {
  const auto listener = *Listener::Open("127.0.0.1:0");
  EXPECT_EQ(*listener->Accept(Duration::zero()), nullptr);
}

TEST(Connect, RefusesWhatIsNoAddress) {
  EXPECT_THAT(Dial("7000").status().message(), HasSubstr("write host:port"));
  EXPECT_EQ(Listener::Open("host:").status().code(), StatusCode::kInvalidArgument);
}

TEST(Connect, FailsWhereNobodyListens) {
  const std::string address = (*Listener::Open("127.0.0.1:0"))->address();
  const Status failed = Dial(address).status();
  EXPECT_EQ(failed.code(), StatusCode::kUnavailable);
  EXPECT_THAT(failed.message(), HasSubstr(address));
}

}  // namespace
}  // namespace baton::nodes
