#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/collective/communicator.h"
#include "baton/device/host_threads.h"
#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "baton/kv/kv_cache.h"
#include "baton/kv/kv_geometry.h"
#include "baton/model/model_config.h"
#include "baton/model/shard.h"
#include "baton/model/step_runner.h"
#include "baton/model/weights.h"
#include "baton/ops/ops.h"

namespace baton::model {

struct LoadOptions {
  /// Fields of config.json that Baton does not know and shall not refuse.
  std::vector<std::string> ignored_config_fields;
  /// The longest context that will be served; 0 is the model's own.
  int32_t context_tokens = 0;
  /// Of the device that will compute, which outlives the model. Null: the host does, with the
  /// weights where their files are mapped.
  device::DeviceMemory* memory = nullptr;
  /// Where the host computes: its operations, for which weights are packed if they want them so, by
  /// such threads as will compute. Null: weights are left as they are, and products take longer.
  const ops::Ops* ops = nullptr;
  device::HostThreads threads = 1;
  /// How they are packed. Models with different roundings have different fingerprints.
  ops::Packing packing = ops::Packing::kExact;
  /// What all weights become on that device; none: they stay what they are.
  std::optional<DType> weights_dtype;
  /// Needs config.json only: the weights are made up, always the same, for those who measure.
  bool random_weights = false;
  /// Told now and then how many bytes of weights the device has, of how many.
  std::function<void(int64_t done, int64_t total)> on_progress;
  /// Which of how many tensor-parallel ranks will compute with it.
  int32_t rank = 0;
  int32_t ranks = 1;
};

/// Numbers of rows, ascending, where the device reads them.
struct RowList {
  const int32_t* rows = nullptr;
  int64_t count = 0;
};

/// One step's input where the device reads it: the host never looks behind its pointers.
struct StepBatch {
  const TokenId* tokens = nullptr;  ///< [T]
  /// Every block in its tables belongs to the cache.
  ops::PagedBatch sequences;
  /// Rows of [0, T) that matter behind the last attention; none: all T of them.
  RowList kept;
  /// Of the kept rows: those whose logits are wanted, and those whose logits are wanted for a
  /// moment each. Without scored rows `logits.rows` is not read: the kept rows are these.
  RowList logits;
  RowList scored;
  /// Layers between two calls of on_layers; 0 is all of them at once.
  int32_t layer_group = 0;
};

class ForwardPass;

/// The activations of one forward pass, in memory of a device, allocated once.
/// *Threads*: lives on the engine thread.
class Workspace {
 public:
  /// `activation` is that of the operations. Fails with ResourceExhausted.
  static Result<Workspace> Create(const ModelConfig& config, const Shard& shard,
                                  const StepLimits& limits, DType activation,
                                  device::DeviceMemory& memory);
  /// What Create() allocates.
  static int64_t Bytes(const ModelConfig& config, const Shard& shard, const StepLimits& limits,
                       DType activation);

 private:
  friend class ForwardPass;
  struct Sizes;
  StepLimits limits_;
  DType activation_ = DType::kFloat32;
  /// float32.
  device::Allocation residual_, kept_residual_, logits_;
  /// Of the type of activations.
  device::Allocation normed_, delta_, q_, k_, v_, attention_, gate_, up_;
};

/// Where a forward pass computes. All of one rank.
struct Place {
  /// Has the geometry of the model's shard.
  kv::KvCache& cache;
  Workspace& workspace;
  const ops::Ops& ops;
  device::Stream& stream;
  /// Null where there are no other ranks.
  collective::Communicator* communicator = nullptr;
};

/// A loaded model, or one tensor-parallel rank's shard of it: its configuration and mapped weights.
/// *Threads*: immutable after Load, so that several engines may share it, each with its Workspace.
class Model {
 public:
  /// *Fails with* NotFound, InvalidArgument or Unimplemented; each names file and field or tensor.
  static Result<std::unique_ptr<Model>> Load(const std::filesystem::path& folder,
                                             const LoadOptions& options = {});

  /// The products of a step with the most rows that it may have: w, bias, types and sizes, for
  /// devices that prepare them.
  std::vector<ops::LinearParams> WidestProducts(const StepLimits& limits, DType activation) const;

  /// Of the whole model.
  const ModelConfig& config() const { return config_; }
  const Shard& shard() const { return shard_; }
  const GenerationConfig& generation_config() const { return generation_; }
  /// Of the shard.
  const Weights& weights() const { return weights_; }
  /// The tokens that end a sequence.
  const std::vector<TokenId>& eos_tokens() const { return eos_tokens_; }
  /// 32 hexadecimal digits over configuration, tensors and their content (large tensors are
  /// sampled), and behind them the operations' arithmetic where it has a name: workers with
  /// different ones must not exchange KV.
  const std::string& fingerprint() const { return fingerprint_; }
  /// With as many ranks as the model was loaded for.
  kv::KvGeometry KvGeometry(int32_t block_tokens, DType kv_dtype) const;

  /// Called once all work is enqueued that writes the KV of the step's tokens for layers
  /// [begin, end).
  using OnLayers = std::function<void(int32_t begin, int32_t end)>;
  /// Called once all work is enqueued that computes the logits [count, V] of the scored rows
  /// [begin, begin + count): enqueues what takes them, and may have it overwrite them.
  using OnScored = std::function<void(float* logits, int64_t begin, int64_t count)>;

  /// Enqueues a step: its KV and the logits [logits.count, V], valid until the next call with the
  /// same workspace; the caller may have them overwritten. Null when no row's are wanted. Waits for
  /// nothing and allocates nothing. The logits of scored rows come before, in pieces of at most
  /// StepLimits::sequences, so that they never need memory all at once.
  /// All ranks of a model take the same steps at the same time; logits are given on rank 0 only,
  /// and null and no scored rows on the others.
  /// REQUIRES: the batch fits the workspace.
  float* Forward(const StepBatch& batch, const Place& place, const OnLayers& on_layers = {},
                 const OnScored& on_scored = {}) const;

 private:
  friend class ForwardPass;
  Model(ModelConfig config, const Shard& shard, GenerationConfig generation, Weights weights,
        const LoadOptions& options);

  ModelConfig config_;
  Shard shard_;
  GenerationConfig generation_;
  Weights weights_;
  std::vector<TokenId> eos_tokens_;
  std::string fingerprint_;
  /// float32, where the device reads them.
  device::Allocation inv_freq_;
  /// Of windowed layers, where they have their own.
  device::Allocation local_inv_freq_;
};

}  // namespace baton::model
