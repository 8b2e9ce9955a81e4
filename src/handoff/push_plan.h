#pragma once

#include <cstdint>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/kv_geometry.h"
#include "baton/transport/transport.h"
#include "head_overlap.h"

namespace baton::handoff {

/// Which parts of a prompt's KV have been computed and which have been handed out for copying.
/// Goes by units: the smaller of both sides' blocks, which lies within one block on either side.
/// *Invariants*: each byte of the units from cached_tokens on is handed out at most once for each
/// rank that wants it, and a unit only when all its tokens are there or all that will ever be.
class PushPlan {
 public:
  struct Options {
    /// REQUIRES: kv::CheckCompatible.
    kv::KvGeometry source;
    kv::KvGeometry destination;
    int32_t prompt_tokens = 0;
    /// Leading tokens that the decode side has: whole blocks of its own.
    int32_t cached_tokens = 0;
    /// Parts of a block smaller than this wait until more layers are there.
    int64_t least_piece_bytes = 0;
    /// The decode side's blocks of the prompt.
    std::vector<BlockId> blocks;
  };
  explicit PushPlan(Options options);

  /// Our blocks of the prompt. REQUIRES: BlocksOf(prompt, source) of them.
  void SetSource(std::vector<BlockId> blocks);
  /// KV of positions [0, tokens) of layers [layer_begin, layer_end) is there. REQUIRES: SetSource.
  void Ready(int32_t layer_begin, int32_t layer_end, int32_t tokens);

  /// What can be copied now; neighbours are joined.
  std::vector<transport::Descriptor> Take();
  /// All that was not taken. REQUIRES: all KV is there.
  std::vector<transport::Descriptor> TakeRest();

  /// Prompt tokens that are there in all layers.
  int32_t tokens_ready() const;
  /// The decode side's blocks that are filled.
  int32_t blocks() const;
  const kv::KvGeometry& destination() const { return options_.destination; }
  /// Our blocks of the prompt.
  const std::vector<BlockId>& source_blocks() const { return source_blocks_; }

 private:
  struct Layer {
    int32_t tokens = 0;
    /// Units before these are ready to be taken, and taken.
    int32_t ready = 0;
    int32_t taken = 0;
    bool SameAs(const Layer& other) const { return ready == other.ready && taken == other.taken; }
  };

  /// The end of the run of layers from `begin` on that are equally far.
  size_t RunEnd(size_t begin) const;
  void TakeRun(size_t begin, size_t end, std::vector<transport::Descriptor>& out);
  /// One unit of some heads in the layers [begin, end).
  void AppendUnit(const HeadOverlap& overlap, int32_t unit, size_t begin, size_t end,
                  std::vector<transport::Descriptor>& out) const;
  bool CoversBothRanks(const HeadOverlap& overlap) const;

  const Options options_;
  const int32_t unit_tokens_;
  const std::vector<HeadOverlap> overlaps_;
  std::vector<BlockId> source_blocks_;
  std::vector<Layer> layers_;
};

/// Blocks that a prompt takes.
int32_t BlocksOf(int32_t tokens, const kv::KvGeometry& geometry);

/// Tokens that are put for a prompt, counted from its start: whole units.
int32_t PutTokens(int32_t prompt_tokens, const kv::KvGeometry& source,
                  const kv::KvGeometry& destination);

}  // namespace baton::handoff
