#pragma once

#include <cstdint>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/kv_geometry.h"
#include "baton/transport/transport.h"

namespace baton::handoff {

/// Which parts of a prompt's KV have been computed and which have been handed out for copying.
/// *Invariants*: each byte of the blocks from `first_block` on is handed out at most once, and a
/// block only when all its tokens are there or all that will ever be.
class PushPlan {
 public:
  struct Options {
    kv::KvGeometry geometry;
    int32_t prompt_tokens = 0;
    /// Leading tokens that the decode side has.
    int32_t cached_tokens = 0;
    /// Parts of a block smaller than this wait until more layers are there.
    int64_t least_piece_bytes = 0;
    /// The decode side's blocks of the prompt.
    std::vector<BlockId> destination;
  };
  explicit PushPlan(Options options);

  /// Our blocks of the prompt. REQUIRES: as many as the destination's.
  void SetSource(std::vector<BlockId> blocks);
  /// KV of positions [0, tokens) of layers [layer_begin, layer_end) is there. REQUIRES: SetSource.
  void Ready(int32_t layer_begin, int32_t layer_end, int32_t tokens);

  /// What can be copied now; neighbours are joined.
  std::vector<transport::Descriptor> Take();
  /// All that was not taken. REQUIRES: all KV is there.
  std::vector<transport::Descriptor> TakeRest();

  /// Prompt tokens that are there in all layers.
  int32_t tokens_ready() const;
  /// Blocks to copy in all.
  int32_t blocks() const { return static_cast<int32_t>(destination_.size()) - first_block_; }
  /// Our blocks that are copied.
  std::vector<BlockId> SourceBlocks() const;

 private:
  struct Layer {
    int32_t tokens = 0;
    /// Blocks before these are ready to be taken, and taken.
    int32_t ready = 0;
    int32_t taken = 0;
    bool SameAs(const Layer& other) const { return ready == other.ready && taken == other.taken; }
  };

  /// The end of the run of layers from `begin` on that are equally far.
  size_t RunEnd(size_t begin) const;
  void TakeRun(size_t begin, size_t end, std::vector<transport::Descriptor>& out);

  const kv::KvGeometry geometry_;
  const int32_t prompt_tokens_;
  const int32_t first_block_;
  const int64_t least_piece_bytes_;
  const std::vector<BlockId> destination_;
  std::vector<BlockId> source_;
  std::vector<Layer> layers_;
};

/// Blocks that a prompt takes.
int32_t BlocksOf(int32_t tokens, const kv::KvGeometry& geometry);

}  // namespace baton::handoff
