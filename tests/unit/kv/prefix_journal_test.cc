#include "baton/kv/prefix_journal.h"

#include <set>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::kv {
namespace {

PrefixChange Stored(uint64_t key) { return {.key = PrefixKey{key}, .stored = true}; }
PrefixChange Gone(uint64_t key) { return {.key = PrefixKey{key}, .stored = false}; }

/// What a follower believes after all that it was told.
struct Follower {
  void Take(const PrefixUpdate& update) {
    EXPECT_EQ(update.number, update.reset ? 1 : last + 1);
    last = update.number;
    if (update.reset) held.clear();
    for (const PrefixChange& change : update.changes) {
      if (change.stored) {
        held.insert(Index(change.key));
      } else {
        held.erase(Index(change.key));
      }
    }
  }
  uint64_t last = 0;
  std::set<uint64_t> held;
};

TEST(PrefixJournal, TellsAFollowerWhatChangedSinceItReadLast) {
  PrefixJournal journal;
  PrefixCursor cursor;
  EXPECT_TRUE(journal.Read(cursor, 10).reset);
  journal.Append(std::vector{Stored(1), Stored(2), Gone(1)});
  const PrefixUpdate update = journal.Read(cursor, 10);
  EXPECT_FALSE(update.reset);
  EXPECT_EQ(update.changes, (std::vector{Stored(1), Stored(2), Gone(1)}));
  EXPECT_TRUE(journal.Read(cursor, 10).changes.empty());
}

TEST(PrefixJournal, TellsANewFollowerWhatIsThere) {
  PrefixJournal journal;
  journal.Append(std::vector{Stored(1), Stored(2), Gone(1)});
  PrefixCursor cursor;
  const PrefixUpdate update = journal.Read(cursor, 10);
  EXPECT_TRUE(update.reset);
  EXPECT_EQ(update.changes, std::vector{Stored(2)});
}

TEST(PrefixJournal, StartsAnewWithAFollowerThatIsTooSlow) {
  PrefixJournal journal(2);
  PrefixCursor cursor;
  journal.Read(cursor, 10);
  journal.Append(std::vector{Stored(1), Stored(2), Stored(3)});
  const PrefixUpdate update = journal.Read(cursor, 10);
  EXPECT_TRUE(update.reset);
  EXPECT_EQ(update.changes.size(), 3u);
}

TEST(PrefixJournal, AFollowerThatHasReadAllKnowsWhatIsThereWhateverItMissed) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    PrefixJournal journal(1 + random.Below(40));
    PrefixCursor cursor;
    Follower follower;
    std::set<uint64_t> held;
    for (int i = 0; i < 300; ++i) {
      std::vector<PrefixChange> changes;
      for (uint64_t count = random.Below(20); count > 0; --count) {
        const uint64_t key = random.Below(30);
        const bool there = held.contains(key);
        changes.push_back(there ? Gone(key) : Stored(key));
        there ? void(held.erase(key)) : void(held.insert(key));
      }
      journal.Append(changes);
      if (random.Below(3) == 0) follower.Take(journal.Read(cursor, 1 + random.Below(8)));
    }
    for (int i = 0; i < 200; ++i) follower.Take(journal.Read(cursor, 8));
    EXPECT_EQ(follower.held, held);
  }
}

}  // namespace
}  // namespace baton::kv
