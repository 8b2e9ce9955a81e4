#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/device/stream.h"
#include "baton/kv/kv_cache.h"
#include "baton/kv/kv_geometry.h"
#include "baton/model/model_config.h"
#include "baton/model/weights.h"
#include "baton/ops/ops.h"

namespace baton::model {

struct LoadOptions {
  /// Fields of config.json that Baton does not know and shall not refuse.
  std::vector<std::string> ignored_config_fields;
  /// The longest context that will be served; 0 is the model's own.
  int32_t context_tokens = 0;
};

/// One step's input. *Ownership*: views of the caller's arrays, which outlive the call.
struct StepBatch {
  std::span<const TokenId> tokens;  ///< [T]
  /// The same T; every block in its tables belongs to the cache.
  ops::PagedBatch sequences;
  /// Rows of [0, T) whose logits are wanted, ascending.
  std::span<const int32_t> logit_rows;
  /// Further rows whose logits are wanted, for a moment each; ascending, none of logit_rows.
  std::span<const int32_t> scored_rows = {};
  /// Layers between two calls of on_layers; 0 is all of them at once.
  int32_t layer_group = 0;
};

class ForwardPass;

/// The activations of one forward pass, allocated once. *Threads*: lives on the engine thread.
class Workspace {
 public:
  Workspace(const ModelConfig& config, int32_t step_tokens, int32_t logit_rows);

 private:
  friend class ForwardPass;
  int32_t step_tokens_;
  int32_t logit_rows_;
  std::vector<float> residual_, normed_, delta_, q_, k_, v_, attention_, gate_, up_, logits_;
  std::vector<int32_t> kept_rows_;
};

/// A loaded model: its configuration and mapped weights.
/// *Threads*: immutable after Load, so that several engines may share it, each with its Workspace.
class Model {
 public:
  /// *Fails with* NotFound, InvalidArgument or Unimplemented; each names file and field or tensor.
  static Result<std::unique_ptr<Model>> Load(const std::filesystem::path& folder,
                                             const LoadOptions& options = {});

  const ModelConfig& config() const { return config_; }
  const GenerationConfig& generation_config() const { return generation_; }
  const Weights& weights() const { return weights_; }
  /// The tokens that end a sequence.
  const std::vector<TokenId>& eos_tokens() const { return eos_tokens_; }
  /// 32 hexadecimal digits over configuration, tensors and their content (large tensors are
  /// sampled): workers with different ones must not exchange KV.
  const std::string& fingerprint() const { return fingerprint_; }
  kv::KvGeometry KvGeometry(int32_t block_tokens, DType kv_dtype) const;

  /// Called when the KV of this step's tokens is in the cache for layers [begin, end).
  using OnLayers = std::function<void(int32_t begin, int32_t end)>;
  /// Called with the logits [n, V] of the next n of scored_rows, in order; may overwrite them.
  using OnScored = std::function<void(std::span<float> logits)>;

  /// Computes the step's KV and returns logits [logit_rows, V], valid until the next call with the
  /// same workspace; the caller may overwrite them. Allocates nothing. The logits of scored_rows
  /// come before, in pieces of at most the workspace's logit_rows, so that they never need memory
  /// all at once.
  /// REQUIRES: the batch fits the workspace; `cache` has this model's geometry.
  std::span<float> Forward(const StepBatch& batch, kv::KvCache& cache, Workspace& workspace,
                           const ops::Ops& ops, device::Stream& stream,
                           const OnLayers& on_layers = {}, const OnScored& on_scored = {}) const;

 private:
  friend class ForwardPass;
  Model(ModelConfig config, GenerationConfig generation, Weights weights);

  ModelConfig config_;
  GenerationConfig generation_;
  Weights weights_;
  std::vector<TokenId> eos_tokens_;
  std::string fingerprint_;
  std::vector<float> inv_freq_;
  /// Of windowed layers, where they have their own.
  std::vector<float> local_inv_freq_;
};

}  // namespace baton::model
