#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/base/tensor_view.h"
#include "baton/device/buffer.h"
#include "baton/device/host_threads.h"
#include "baton/device/memory.h"
#include "baton/model/model_config.h"
#include "baton/model/safetensors.h"
#include "baton/model/shard.h"
#include "baton/ops/ops.h"

namespace baton::model {

struct Placement;

/// A linear layer: weight [N, K] and, where the model has one, bias [N].
struct LinearWeights {
  TensorView weight;
  TensorView bias;
  /// Elements from one row of the weight to the next; 0: K. More in a shard of its columns.
  int64_t stride = 0;
};

struct LayerWeights {
  TensorView attention_norm;
  LinearWeights q, k, v, o;
  /// [D], where the model normalizes the heads of q and k.
  TensorView q_norm, k_norm;
  TensorView mlp_norm;
  /// Of what attention and the feed-forward part add, where the model has such norms.
  TensorView attention_post_norm, mlp_post_norm;
  LinearWeights gate, up, down;

  std::array<LinearWeights*, 7> projections() { return {&q, &k, &v, &o, &gate, &up, &down}; }
  std::array<const LinearWeights*, 7> projections() const {
    return {&q, &k, &v, &o, &gate, &up, &down};
  }
};

/// The weights of a model, or of a shard of it, by role. *Ownership*: holds the mapped files that
/// the views point into, or the memory of a device.
/// *Threads*: immutable.
class Weights {
 public:
  /// *Fails with* InvalidArgument naming every missing, extra or misshapen tensor (the first few
  /// when there are many), or as SafetensorsFile does.
  static Result<Weights> Load(const std::filesystem::path& folder, const ModelConfig& config);
  /// Weights that lie nowhere before Place() makes them up; of type bfloat16.
  static Weights Random(const ModelConfig& config);

  /// Leaves what `shard` computes, as parts of the same memory: rows of q, k, v, gate, up and
  /// output, columns of o and down. Rank 0 alone keeps the biases of the latter, which are added
  /// once. REQUIRES: these are all the weights of `config`.
  void Narrow(const ModelConfig& config, const Shard& shard);

  TensorView embedding;
  std::vector<LayerWeights> layers;
  TensorView final_norm;
  /// The embedding where the two are tied.
  TensorView output;

  /// Brings all weights into memory of a device, as PlaceWeights does, and lets go of the files.
  Status Place(const ModelConfig& config, const Placement& placement);

  /// Has the matrices of products lie as `ops` reads them fastest, as PackWeights does. REQUIRES:
  /// they lie in memory of the host.
  Status Pack(const ops::Ops& ops, ops::Packing packing, const device::HostThreads& threads);
  ops::Packing packing() const { return packing_; }
  /// The embedding is packed only where it is the output, too.
  ops::Packing embedding_packing() const {
    return embedding.data == output.data ? packing_ : ops::Packing::kNone;
  }

  /// 32 hexadecimal digits over names, types, shapes and content. REQUIRES: neither placed nor
  /// packed.
  std::string Fingerprint(const std::string& seed) const;
  bool random() const { return random_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  friend class WeightsReader;
  bool random_ = false;
  Checkpoint checkpoint_;
  /// Copies of tensors that lie misaligned in their file.
  std::vector<std::unique_ptr<std::byte[]>> realigned_;
  device::Allocation placed_;
  device::Buffer packed_;
  ops::Packing packing_ = ops::Packing::kNone;
};

}  // namespace baton::model
