#include "baton/nodes/link_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/mailbox.h"
#include "support/link_pair.h"

namespace baton::nodes {
namespace {

using testing::HasSubstr;

constexpr Duration kLong = std::chrono::seconds(60);

/// What a thread told.
struct Told {
  LinkThread::Listener Listener() {
    return {.on_frame = [this](Frame frame) { frames.TrySend(std::move(frame)); },
            .on_lost = [this](Status status) { lost.TrySend(std::move(status)); }};
  }
  Mailbox<Frame> frames{100};
  Mailbox<Status> lost{2};
};

TEST(LinkThread, HandsOnFramesButNoSignsOfLife) {
  Clock& clock = Clock::System();
  const auto [here, there] = MakeLinkPair();
  Told told;
  const LinkThread thread(here, kLong, clock, told.Listener());
  ASSERT_TRUE(there->Send(LinkThread::kSign).ok());
  ASSERT_TRUE(there->Send(5, "frame").ok());
  const auto frame = told.frames.Receive(kLong);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->kind, 5u);
}

TEST(LinkThread, TellsOfTheOtherNodesEnd) {
  Clock& clock = Clock::System();
  auto [here, there] = MakeLinkPair("node 0", "node 2");
  Told told;
  const LinkThread thread(here, kLong, clock, told.Listener());
  there.reset();
  const auto lost = told.lost.Receive(kLong);
  ASSERT_TRUE(lost.has_value());
  EXPECT_THAT(lost->message(), HasSubstr("node 2 is lost"));
}

TEST(LinkThread, TakesASilentNodeForLost) {
  Clock& clock = Clock::System();
  const auto [here, there] = MakeLinkPair();
  Told told;
  const LinkThread thread(here, std::chrono::milliseconds(60), clock, told.Listener());
  const auto lost = told.lost.Receive(kLong);
  ASSERT_TRUE(lost.has_value());
  EXPECT_THAT(lost->message(), HasSubstr("said nothing"));
}

TEST(LinkThread, KeepsTwoThatSayNothingElseTogether) {
  Clock& clock = Clock::System();
  const auto [here, there] = MakeLinkPair();
  Told told;
  const LinkThread one(here, std::chrono::milliseconds(300), clock, told.Listener());
  const LinkThread other(there, std::chrono::milliseconds(300), clock, told.Listener());
  EXPECT_FALSE(told.lost.Receive(std::chrono::milliseconds(900)).has_value());
}

TEST(LinkThread, IsSilentAboutItsOwnEnd) {
  Clock& clock = Clock::System();
  const auto [here, there] = MakeLinkPair();
  Told told;
  { const LinkThread thread(here, kLong, clock, told.Listener()); }
  EXPECT_EQ(told.lost.size(), 0u);
}

}  // namespace
}  // namespace baton::nodes
