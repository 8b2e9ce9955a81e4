#include "baton/base/pile.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/mailbox.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Pile, GivesAllThatWasLaidDownInOrder) {
  Pile<int> pile;
  std::vector<int> taken;
  (void)pile.Add(1);
  (void)pile.Add(2);

  pile.TakeAll(taken);

  EXPECT_THAT(taken, ElementsAre(1, 2));
  taken.clear();
  pile.TakeAll(taken);
  EXPECT_THAT(taken, IsEmpty());
}

TEST(Pile, WantsItsTakerToldOncePerPile) {
  Pile<int> pile;
  std::vector<int> taken;

  EXPECT_TRUE(pile.Add(1));
  EXPECT_FALSE(pile.Add(2));
  pile.TakeAll(taken);
  EXPECT_TRUE(pile.Add(3));
}

TEST(Pile, LosesNothingOfSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr int kValues = 2000;
  Pile<int> pile;
  Mailbox<int> told(kThreads * kValues);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kValues; ++n)
        if (pile.Add(n)) told.TrySend(0);
    });
  }

  int64_t sum = 0;
  size_t count = 0;
  std::vector<int> taken;
  while (count < size_t{kThreads} * kValues && told.Receive(std::chrono::minutes(1))) {
    pile.TakeAll(taken);
    count += taken.size();
    for (const int value : taken) sum += value;
    taken.clear();
  }

  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, int64_t{kThreads} * kValues * (kValues - 1) / 2);
}

}  // namespace
}  // namespace baton
