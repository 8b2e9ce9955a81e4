#include <list>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/kv/block_table.h"

/// That the blocks of a prompt stay neighbours however long sequences come, grow and go: each run
/// of them is one piece of a hand-off.
namespace baton::kv {
namespace {

int32_t RunsOf(const std::vector<BlockId>& blocks) {
  int32_t runs = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    runs += i == 0 || Index(blocks[i]) != Index(blocks[i - 1]) + 1;
  }
  return runs;
}

/// A worker's pool under load: prompts of 1 to 100 blocks that grow while they decode.
class Churn {
 public:
  explicit Churn(bool prefix_cache) : prefix_cache_(prefix_cache) {
    pool_.OnEvict([](BlockId) {});
  }

  void Step() {
    while (running_.size() < kRunning) Admit();
    for (auto it = running_.begin(); it != running_.end();) {
      it->tokens += kBlockTokens / 2;
      --it->steps_left;
      if (it->steps_left > 0 && it->table.Grow(pool_, it->tokens)) {
        ++it;
        continue;
      }
      Finish(*it);
      it = running_.erase(it);
    }
  }

  double MeanRun() const { return static_cast<double>(blocks_) / static_cast<double>(runs_); }
  const BlockPool& pool() const { return pool_; }
  void ForgetFigures() { blocks_ = runs_ = 0; }

 private:
  static constexpr int32_t kBlockTokens = 16;
  static constexpr size_t kRunning = 32;
  struct Sequence {
    BlockTable table{kBlockTokens};
    int32_t tokens = 0;
    int32_t steps_left = 0;
  };

  void Admit() {
    Sequence& sequence = running_.emplace_back();
    sequence.tokens = 1 + static_cast<int32_t>(random_.Below(100 * kBlockTokens));
    sequence.steps_left = 1 + static_cast<int32_t>(random_.Below(50));
    ASSERT_TRUE(sequence.table.Grow(pool_, sequence.tokens));
    blocks_ += sequence.table.size();
    runs_ += RunsOf(sequence.table.blocks());
  }

  void Finish(Sequence& sequence) {
    for (const BlockId block : sequence.table.blocks()) {
      if (prefix_cache_) pool_.MarkIndexed(block);
    }
    sequence.table.Free(pool_);
  }

  const bool prefix_cache_;
  BlockPool pool_{4096};
  Random random_{1};
  std::list<Sequence> running_;
  int64_t blocks_ = 0;
  int64_t runs_ = 0;
};

TEST(BlockPoolRuns, PromptsLieInOneRunWhereNothingIsCached) {
  Churn churn(false);
  for (int i = 0; i < 3000; ++i) churn.Step();
  EXPECT_GT(churn.MeanRun(), 40);
}

TEST(BlockPoolRuns, PromptsLieInLongRunsWhereEverythingIsCached) {
  Churn churn(true);
  for (int i = 0; i < 3000; ++i) churn.Step();
  ASSERT_EQ(churn.pool().counts().free, 0) << "the pool is not full yet";
  churn.ForgetFigures();
  for (int i = 0; i < 3000; ++i) churn.Step();
  EXPECT_GT(churn.MeanRun(), 10);
}

TEST(BlockPoolRuns, EvictsARunOfTheOlderHalfRatherThanTheOldestBlocksOneByOne) {
  BlockPool pool(12);
  std::vector<int32_t> forgotten;
  pool.OnEvict([&](BlockId block) { forgotten.push_back(Index(block)); });
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(12, kNoBlock, blocks));
  for (const BlockId block : blocks) pool.MarkIndexed(block);
  for (const size_t i : {0, 2, 4, 5, 6, 7, 1, 3, 8, 9, 10, 11}) pool.Unshare(blocks[i]);

  std::vector<BlockId> prompt;
  ASSERT_TRUE(pool.Allocate(4, kNoBlock, prompt));
  EXPECT_EQ(forgotten, (std::vector<int32_t>{4, 5, 6, 7}));
  EXPECT_EQ(RunsOf(prompt), 1);
}

}  // namespace
}  // namespace baton::kv
