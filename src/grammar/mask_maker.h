#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "baton/grammar/vocabulary.h"
#include "configurations.h"

namespace baton::grammar {

/// One bit per token.
using Mask = std::vector<uint32_t>;

/// Masks of configurations. A stack's top, down to where its machine returns, decides most tokens
/// by itself, whatever lies below: those are found once for each top (LocalMask). What remains are
/// tokens in whose midst the machine returns; their rest is tried against the whole stack.
/// *Threads*: one at a time.
class MaskMaker {
 public:
  /// *Ownership*: all outlive this.
  MaskMaker(const Automaton& automaton, const Vocabulary& vocabulary, Configurations& places)
      : automaton_(automaton), vocabulary_(vocabulary), places_(places) {}

  /// The same for equal configurations, whatever was computed before.
  std::shared_ptr<const Mask> MaskOf(int32_t configuration);

  size_t MemoryBytes() const { return bytes_; }

 private:
  /// What the top of a stack allows.
  struct LocalMask {
    /// The tokens allowed, in whichever form is smaller.
    Mask words;
    std::vector<TokenId> tokens;
    /// Nodes of the vocabulary's trie at which the machine may return, and which have children.
    std::vector<uint32_t> returns;
    /// At most, after any byte of any token.
    uint32_t stacks = 0;
  };
  /// A walk over the trie: what it may still cost, so that no grammar makes it endless, and the
  /// most stacks that it met. Where there were too many, `stacks` exceeds kMaxStacks.
  struct Walk {
    int64_t steps = 1'000'000;
    uint32_t stacks = 0;
  };

  const LocalMask& LocalMaskOf(Configurations::Item item, int32_t* returns_to);
  LocalMask MakeLocalMask(Configurations::Item local);
  /// False where the parts cannot be put together: too many stacks at once, or too costly.
  bool PutTogether(int32_t configuration, Mask& mask);
  bool AddAfterReturn(const LocalMask& local, int32_t returns_to, Walk& walk, Mask& mask);
  void WalkWhole(int32_t configuration, Mask& mask);
  /// Visits the nodes below `node` that can be reached from `configuration`, at most `depth` deep.
  /// False where the walk costs too much.
  template <typename Visit>
  bool Visited(int32_t configuration, uint32_t node, size_t depth, Walk& walk, Visit visit);
  void SetTokensAt(uint32_t node, Mask& mask) const;

  const Automaton& automaton_;
  const Vocabulary& vocabulary_;
  Configurations& places_;
  /// By state and the loops above the first frame that returns.
  std::map<std::vector<int32_t>, LocalMask> locals_;
  std::unordered_map<int32_t, std::shared_ptr<const Mask>> masks_;
  std::vector<int32_t> path_;
  size_t bytes_ = 0;
};

}  // namespace baton::grammar
