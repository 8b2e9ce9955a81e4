#include "node_join.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::worker {
namespace {

using testing::HasSubstr;

const Agreement kOurs{{"model fingerprint", "abc"}, {"engine.step_tokens", "2048"}};

FollowerHello Hello(int32_t node, Agreement agreement = kOurs) {
  return {.node = node,
          .agreement = std::move(agreement),
          .transport_address = "address of " + std::to_string(node),
          .regions = 2,
          .region_bytes = 4096};
}

class NodeJoin : public testing::Test {
 protected:
  /// What the door lets in, on a thread of its own.
  void Gather(int32_t nodes) {
    options_.nodes = nodes;
    gathering_ = std::jthread([this](const std::stop_token& stop) {
      gathered_ = door_->GatherAndWait(options_, kOurs, clock_, stop);
      if (gathered_.ok()) {
        EXPECT_TRUE(Welcome(*gathered_, "ids").ok());
      }
    });
  }
  Result<JoinedLeader> Join(const FollowerHello& hello) {
    return JoinLeaderAndWait(door_->address(), hello, clock_, never_.get_token());
  }

  Clock& clock_ = Clock::System();
  std::stop_source never_;
  std::unique_ptr<FollowerDoor> door_ = *FollowerDoor::Open("127.0.0.1:0");
  WorkerOptions options_;
  Result<std::vector<JoinedFollower>> gathered_ = Unavailable("nothing yet");
  std::jthread gathering_;
};

TEST_F(NodeJoin, LetsAllInInTheirOrder) {
  Gather(3);
  std::jthread second([&] { EXPECT_TRUE(Join(Hello(2)).ok()); });
  EXPECT_TRUE(Join(Hello(1)).ok());
  second.join();
  gathering_.join();
  ASSERT_TRUE(gathered_.ok());
  ASSERT_EQ(gathered_->size(), 2u);
  EXPECT_EQ((*gathered_)[0].hello.transport_address, "address of 1");
  EXPECT_EQ((*gathered_)[1].hello.region_bytes, 4096u);
  EXPECT_TRUE((*gathered_)[1].links.complete());
}

TEST_F(NodeJoin, CarriesWhatIsSentOverEachOfTheLinks) {
  Gather(2);
  const Result<JoinedLeader> joined = Join(Hello(1));
  gathering_.join();
  ASSERT_TRUE(joined.ok() && gathered_.ok());
  ASSERT_TRUE(joined->links.steps->Send(5, "step").ok());
  ASSERT_TRUE(joined->links.sums->Send(6, "sum").ok());
  EXPECT_EQ(joined->group_ids, "ids");
  EXPECT_EQ((*gathered_)[0].links.sums->Receive()->body, "sum");
  EXPECT_EQ((*gathered_)[0].links.steps->Receive()->body, "step");
}

TEST_F(NodeJoin, RefusesWhoDiffersByNameAndLetsItComeAgain) {
  Gather(2);
  const Status refused =
      Join(Hello(1, {{"model fingerprint", "abd"}, {"engine.step_tokens", "2048"}})).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(),
              HasSubstr("node 1: its model fingerprint is abd, the leader's abc"));
  EXPECT_TRUE(Join(Hello(1)).ok());
}

TEST_F(NodeJoin, RefusesANumberThatItDoesNotHave) {
  Gather(2);
  EXPECT_THAT(Join(Hello(2)).status().message(), HasSubstr("has 2 nodes, and no node 2"));
  EXPECT_TRUE(Join(Hello(1)).ok());
}

TEST_F(NodeJoin, LetsStrangersGo) {
  Gather(2);
  const auto stranger = *nodes::Dial(door_->address());
  ASSERT_TRUE(stranger->Send(77, "GET / HTTP/1.1").ok());
  EXPECT_TRUE(Join(Hello(1)).ok());
}

TEST_F(NodeJoin, EndsWhenToldTo) {
  Gather(2);
  gathering_.request_stop();
  gathering_.join();
  EXPECT_EQ(gathered_.status().code(), StatusCode::kCancelled);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(JoinLeaderAndWait("127.0.0.1:1", Hello(1), clock_, stop.get_token()).status().code(),
            StatusCode::kCancelled);
}

TEST(Agreements, NameTheFirstThatDiffersOrLacks) {
  EXPECT_TRUE(CheckAgreement(kOurs, kOurs).ok());
  EXPECT_THAT(CheckAgreement(kOurs, {kOurs[0]}).message(),
              HasSubstr("its engine.step_tokens is none, the leader's 2048"));
}

}  // namespace
}  // namespace baton::worker
