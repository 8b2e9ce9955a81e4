#include "prefix_view.h"

#include <set>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/kv/block_table.h"
#include "baton/kv/prefix_index.h"

namespace baton::router {
namespace {

using kv::PrefixKey;

constexpr int32_t kBlockTokens = 4;

std::vector<PrefixKey> Keys(std::span<const TokenId> tokens) {
  std::vector<PrefixKey> keys;
  PrefixKey key = kv::kPrefixRootKey;
  for (; tokens.size() >= kBlockTokens; tokens = tokens.subspan(kBlockTokens)) {
    keys.push_back(key = kv::ExtendPrefix(key, tokens.first(kBlockTokens), 0));
  }
  return keys;
}

kv::PrefixUpdate Stored(uint64_t number, std::vector<uint64_t> keys) {
  kv::PrefixUpdate update{.number = number, .reset = number == 1};
  for (const uint64_t key : keys) update.changes.push_back({PrefixKey{key}, true});
  return update;
}

std::vector<PrefixKey> Three() { return {PrefixKey{1}, PrefixKey{2}, PrefixKey{3}}; }

TEST(PrefixView, CountsWhatEachWorkerHoldsFromTheFirstOn) {
  PrefixView view;
  for (int i = 0; i < 3; ++i) view.Add();
  view.Apply(0, Stored(1, {1, 2, 3}));
  view.Apply(1, Stored(1, {1, 3}));
  view.Apply(2, Stored(1, {2, 3}));
  EXPECT_EQ(view.Match(Three()), (std::vector<size_t>{3, 1, 0}));
}

TEST(PrefixView, ForgetsAWorkerThatIsRemoved) {
  PrefixView view;
  view.Add();
  view.Add();
  view.Apply(0, Stored(1, {1}));
  view.Apply(1, Stored(1, {1, 2}));
  view.Remove(1);
  EXPECT_EQ(view.Add(), 1u);
  EXPECT_EQ(view.Match(Three()), (std::vector<size_t>{1, 0}));
}

TEST(PrefixView, KnowsNothingAfterAMissedUpdateUntilTheNextReset) {
  PrefixView view;
  view.Add();
  view.Apply(0, Stored(1, {1}));
  view.Apply(0, Stored(3, {2}));
  EXPECT_EQ(view.Match(Three()), std::vector<size_t>{0});
  view.Apply(0, Stored(4, {1}));
  EXPECT_EQ(view.Match(Three()), std::vector<size_t>{0});
  view.Apply(0, Stored(1, {1, 2}));
  EXPECT_EQ(view.Match(Three()), std::vector<size_t>{2});
}

TEST(PrefixView, KnowsNothingOfAWorkerThatHoldsMoreThanItsLimit) {
  PrefixView view(2);
  view.Add();
  view.Apply(0, Stored(1, {1, 2, 3}));
  EXPECT_EQ(view.held(0), 0u);
}

TEST(PrefixView, TellsManyWorkersApart) {
  PrefixView view;
  for (size_t worker = 0; worker < 130; ++worker) {
    ASSERT_EQ(view.Add(), worker);
    view.Apply(worker, worker % 2 == 0 ? Stored(1, {1}) : Stored(1, {1, 2}));
  }
  const std::vector<size_t> matched = view.Match(Three());
  for (size_t worker = 0; worker < 130; ++worker) EXPECT_EQ(matched[worker], 1 + worker % 2);
}

/// A worker's index and the journal of its changes.
class Holder {
 public:
  explicit Holder(Random& random) : random_(random), journal_(1 + random.Below(64)) {
    index_.OnChange([this](kv::PrefixChange change) { journal_.Append(std::span(&change, 1)); });
  }

  std::vector<TokenId> Prompt() {
    std::vector<TokenId> tokens(kBlockTokens * (1 + random_.Below(5)));
    for (auto& token : tokens) token = random_.Below(8) == 0;
    return tokens;
  }
  size_t Lookup(std::span<const TokenId> tokens) { return index_.Lookup(tokens, 0).blocks.size(); }
  void Compute(const std::vector<TokenId>& tokens) {
    const kv::PrefixMatch match = index_.Lookup(tokens, 0);
    kv::BlockTable table(kBlockTokens);
    table.Adopt(pool_, match.blocks);
    ASSERT_TRUE(table.Grow(pool_, static_cast<int32_t>(tokens.size())));
    kv::PrefixNode node = match.tail;
    for (size_t b = match.blocks.size(); b < table.blocks().size(); ++b) {
      node = index_.Insert(node, std::span(tokens).subspan(b * kBlockTokens, kBlockTokens), 0,
                           table.blocks()[b]);
    }
    // In any order.
    std::vector<BlockId> blocks = table.blocks();
    for (size_t b = blocks.size(); b > 1; --b) std::swap(blocks[b - 1], blocks[random_.Below(b)]);
    for (const BlockId block : blocks) pool_.Unshare(block);
  }
  kv::PrefixUpdate Read(size_t most) { return journal_.Read(cursor_, most); }
  /// A watch begins anew.
  void Rewatch() { cursor_ = {}; }

 private:
  Random& random_;
  kv::BlockPool pool_{12};
  kv::PrefixIndex index_{pool_, kBlockTokens};
  kv::PrefixJournal journal_;
  kv::PrefixCursor cursor_;
};

/// Updates are read late, are lost with the watch that carried them, or begin anew.
TEST(PrefixView, ComesToHoldExactlyWhatTheIndexFindsWhateverWasLost) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    PrefixView view;
    std::vector<std::unique_ptr<Holder>> holders;
    for (int i = 0; i < 3; ++i) {
      holders.push_back(std::make_unique<Holder>(random));
      view.Add();
    }
    for (int i = 0; i < 400; ++i) {
      const size_t worker = random.Below(holders.size());
      Holder& holder = *holders[worker];
      holder.Compute(holder.Prompt());
      const uint64_t what = random.Below(12);
      if (what < 4) view.Apply(worker, holder.Read(1 + random.Below(6)));
      if (what == 4) (void)holder.Read(4);  // Lost.
      if (what == 5) holder.Rewatch();
    }
    for (size_t worker = 0; worker < holders.size(); ++worker) {
      holders[worker]->Rewatch();
      for (int i = 0; i < 40; ++i) view.Apply(worker, holders[worker]->Read(8));
    }
    for (int i = 0; i < 200; ++i) {
      const std::vector<TokenId> prompt = holders[0]->Prompt();
      const std::vector<size_t> matched = view.Match(Keys(prompt));
      for (size_t worker = 0; worker < holders.size(); ++worker) {
        ASSERT_EQ(matched[worker], holders[worker]->Lookup(prompt)) << worker;
      }
    }
  }
}

}  // namespace
}  // namespace baton::router
