#include "baton/base/mailbox.h"

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/gate.h"

namespace baton {
namespace {

constexpr Duration kLong = std::chrono::seconds(60);

TEST(Mailbox, HandsValuesOnInOrder) {
  Mailbox<int> mailbox(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(mailbox.TrySend(int{i}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(mailbox.TryReceive(), i);
  EXPECT_EQ(mailbox.TryReceive(), std::nullopt);
}

TEST(Mailbox, LeavesTheValueWithItsSenderWhenFull) {
  Mailbox<std::unique_ptr<int>> mailbox(1);
  EXPECT_TRUE(mailbox.TrySend(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(mailbox.TrySend(std::move(second)));
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(mailbox.size(), mailbox.capacity());
}

TEST(Mailbox, ReceivesNothingAfterItsTimeout) {
  Mailbox<int> mailbox(1);
  EXPECT_EQ(mailbox.Receive(Duration(0)), std::nullopt);
}

TEST(Mailbox, RefusesSendsOnceClosedButGivesWhatItHolds) {
  Mailbox<int> mailbox(2);
  EXPECT_TRUE(mailbox.TrySend(1));
  mailbox.Close();
  EXPECT_FALSE(mailbox.TrySend(2));
  EXPECT_EQ(mailbox.Receive(kLong), 1);
  EXPECT_EQ(mailbox.Receive(kLong), std::nullopt);
}

TEST(Mailbox, WakesAWaitingReceiverWhenItCloses) {
  Mailbox<int> mailbox(1);
  std::thread closer([&] { mailbox.Close(); });
  EXPECT_EQ(mailbox.Receive(kLong), std::nullopt);
  closer.join();
}

TEST(Mailbox, NotifiesOncePerSendAndOnClose) {
  Mailbox<int> mailbox(1);
  int notified = 0;
  mailbox.OnSend([&] { ++notified; });
  EXPECT_TRUE(mailbox.TrySend(1));
  EXPECT_FALSE(mailbox.TrySend(2));
  EXPECT_EQ(notified, 1);
  mailbox.Close();
  EXPECT_EQ(notified, 2);
}

TEST(Mailbox, GivesAValueOutOnlyOnceItsSenderIsDoneWithTheMailbox) {
  Mailbox<int> mailbox(1);
  Gate sending, received;
  bool sent = false;
  mailbox.OnSend([&] {
    sending.Open();
    received.Wait(std::chrono::milliseconds(50));
    sent = true;
  });
  std::thread sender([&] { EXPECT_TRUE(mailbox.TrySend(1)); });
  EXPECT_TRUE(sending.Wait(kLong));
  EXPECT_EQ(mailbox.Receive(kLong), 1);
  EXPECT_TRUE(sent);
  received.Open();
  sender.join();
}

TEST(Mailbox, LosesNothingBetweenManySendersAndOneReceiver) {
  Mailbox<int> mailbox(4);
  std::vector<std::thread> senders;
  for (int s = 0; s < 4; ++s) {
    senders.emplace_back([&] {
      for (int i = 1; i <= 1000; ++i) {
        while (!mailbox.TrySend(int{i})) std::this_thread::yield();
      }
    });
  }
  int64_t sum = 0;
  for (int i = 0; i < 4000; ++i) sum += mailbox.Receive(kLong).value_or(0);
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(sum, 4 * 500500);
}

}  // namespace
}  // namespace baton
