#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/kv/kv_cache.h"
#include "baton/model/model.h"
#include "baton/model/step_runner.h"
#include "baton/ops/ops.h"
#include "replay_sizes.h"
#include "step_upload.h"

namespace baton::model {

/// What a step reads on its way to the device: tokens, batch, plan and rows as one copy, each
/// step's to the same addresses as the one's before, beside the tokens that were drawn last.
/// *Threads*: lives on the stream's thread.
class BatchUpload {
 public:
  /// All of one device; they outlive this.
  struct Parts {
    const Model& model;
    const kv::KvCache& cache;
    const ops::Ops& ops;
    device::Stream& stream;
    device::DeviceMemory& memory;
  };
  /// A step whose tokens are at their place once they are gathered by `token_rows`.
  struct Padded {
    StepBatch batch;
    const int32_t* token_rows = nullptr;
  };

  BatchUpload(const Parts& parts, const StepLimits& limits);

  /// What AllocateAndWait() takes of the device's memory where no cache has less blocks than a
  /// context.
  static int64_t DeviceBytes(const Model& model, const ops::Ops& ops, const StepLimits& limits,
                             int32_t block_tokens);

  /// Fails with ResourceExhausted.
  Status AllocateAndWait();
  /// Enqueues the copy of a step, and where it has drawn tokens their gathering. What the input
  /// points at may change afterwards.
  StepBatch Send(const StepInput& input);
  /// Enqueues the copy of a step of decodes, padded to a size by rows that are nobody's, to
  /// addresses that follow from the size.
  Padded SendPadded(const StepInput& input, ReplaySize size);
  void GatherTokens(const int32_t* token_rows, int64_t rows);
  /// Where tokens come to lie as the last draw gives them, at most one for each sequence.
  TokenId* drawn_tokens() const { return reinterpret_cast<TokenId*>(upload_.head()); }
  /// Most blocks of a sequence.
  int32_t table_blocks() const { return table_blocks_; }

 private:
  /// For each row, where its token is: counted from the drawn ones, behind which the given ones
  /// are.
  const int32_t* PackTokenRows(const StepInput& input, size_t rows, StepPacker& packer) const;
  void PackKeptRows(const StepInput& input, StepPacker& packer, StepBatch& batch) const;
  /// Where gathered tokens are.
  TokenId* gathered_tokens() const { return reinterpret_cast<TokenId*>(tokens_.get()); }

  const ops::Ops& ops_;
  device::Stream& stream_;
  device::DeviceMemory& memory_;
  const StepLimits limits_;
  const int32_t table_blocks_;
  const ops::PlanShape plan_shape_;
  const size_t plan_bytes_;
  device::Allocation attention_scratch_;
  /// The tokens that were drawn last, then what a step reads, the tokens that were given first.
  StepUpload upload_;
  /// Those that a step has, where some were drawn.
  device::Allocation tokens_;
};

}  // namespace baton::model
