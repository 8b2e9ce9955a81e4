#include "place_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "baton/base/check.h"

namespace baton::model {
namespace {

/// Kernels load up to 128 bytes at once, and copies by the device's own engines want 128 too.
constexpr size_t kAlignment = 256;

enum class Kind : uint8_t { kMatrix, kNorm, kBias };

struct Tensor {
  TensorView* view = nullptr;
  Kind kind = Kind::kMatrix;
  /// Of a matrix that may be some columns of a wider one; here its rows come to lie densely.
  int64_t* stride = nullptr;
};

/// All that lie apart; a tied output lies in the embedding.
std::vector<Tensor> TensorsOf(const ModelConfig& config, Weights& weights) {
  std::vector<Tensor> tensors;
  const auto add = [&](TensorView& view, Kind kind) {
    if (view.shape.rank() > 0) tensors.push_back({&view, kind});
  };
  const auto linear = [&](LinearWeights& layer) {
    tensors.push_back({&layer.weight, Kind::kMatrix, &layer.stride});
    add(layer.bias, Kind::kBias);
  };
  add(weights.embedding, Kind::kMatrix);
  for (LayerWeights& layer : weights.layers) {
    for (TensorView* norm : {&layer.attention_norm, &layer.q_norm, &layer.k_norm, &layer.mlp_norm,
                             &layer.attention_post_norm, &layer.mlp_post_norm}) {
      add(*norm, Kind::kNorm);
    }
    for (LinearWeights* projection : layer.projections()) linear(*projection);
  }
  add(weights.final_norm, Kind::kNorm);
  if (!config.tied_embeddings) add(weights.output, Kind::kMatrix);
  return tensors;
}

float Load(const std::byte* at, DType dtype) {
  if (dtype == DType::kFloat32) {
    float value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return dtype == DType::kFloat16 ? ToFloat(Float16{bits}) : ToFloat(BFloat16{bits});
}

void Store(float value, DType dtype, std::byte* at) {
  if (dtype == DType::kFloat32) {
    std::memcpy(at, &value, sizeof value);
    return;
  }
  const uint16_t bits = dtype == DType::kFloat16 ? ToFloat16(value).bits : ToBFloat16(value).bits;
  std::memcpy(at, &bits, sizeof bits);
}

/// A good mixture of a counter. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014.
uint64_t Mixed(uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

/// Brings one tensor after the other through two pinned buffers.
class Placer {
 public:
  Placer(const ModelConfig& config, const Placement& placement)
      : config_(config), placement_(placement) {}

  Result<device::Allocation> Run(Weights& weights) {
    const std::vector<Tensor> tensors = TensorsOf(config_, weights);
    size_t bytes = 0;
    for (const Tensor& tensor : tensors) bytes += Padded(tensor);
    BATON_ASSIGN_OR_RETURN(device::Allocation memory, placement_.memory.Allocate(bytes));
    BATON_ASSIGN_OR_RETURN(queue_, placement_.memory.MakeQueue());
    for (Slot& slot : slots_) {
      BATON_ASSIGN_OR_RETURN(slot.pinned,
                             placement_.memory.AllocatePinned(placement_.staging_bytes));
    }
    const int64_t tied_at = config_.tied_embeddings ? OutputInEmbedding(weights) : 0;
    size_t begin = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
      BATON_RETURN_IF_ERROR(Bring(tensors[i], i, memory.get() + begin));
      begin += Padded(tensors[i]);
      if (placement_.on_progress) {
        placement_.on_progress(static_cast<int64_t>(begin), static_cast<int64_t>(bytes));
      }
    }
    for (Slot& slot : slots_) BATON_RETURN_IF_ERROR(Await(slot));
    if (config_.tied_embeddings) {
      weights.output.dtype = weights.embedding.dtype;
      weights.output.data = static_cast<const std::byte*>(weights.embedding.data) +
                            static_cast<size_t>(tied_at) * DTypeBytes(weights.output.dtype);
    }
    return memory;
  }

 private:
  struct Slot {
    device::Allocation pinned;
    uint64_t copied = 0;
  };

  /// Where a tied output begins, in elements: a shard has some rows of it.
  static int64_t OutputInEmbedding(const Weights& weights) {
    if (weights.output.data == nullptr) return 0;
    return (static_cast<const std::byte*>(weights.output.data) -
            static_cast<const std::byte*>(weights.embedding.data)) /
           static_cast<int64_t>(DTypeBytes(weights.embedding.dtype));
  }

  DType TypeOf(const TensorView& view) const { return placement_.dtype.value_or(view.dtype); }
  size_t Padded(const Tensor& tensor) const {
    const TensorView& view = *tensor.view;
    const size_t bytes = static_cast<size_t>(view.shape.elements()) * DTypeBytes(TypeOf(view));
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  Status Await(Slot& slot) {
    for (bool reached = slot.copied == 0; !reached;) {
      BATON_ASSIGN_OR_RETURN(reached, queue_->Reached(slot.copied));
    }
    return OkStatus();
  }

  Status Bring(const Tensor& tensor, uint64_t seed, std::byte* to) {
    TensorView& view = *tensor.view;
    const DType dtype = TypeOf(view);
    const int64_t most = static_cast<int64_t>(placement_.staging_bytes / DTypeBytes(dtype));
    const int64_t elements = view.shape.elements();
    for (int64_t begin = 0; begin < elements; begin += most) {
      const int64_t count = std::min(most, elements - begin);
      Slot& slot = slots_[next_];
      next_ = (next_ + 1) % slots_.size();
      BATON_RETURN_IF_ERROR(Await(slot));
      view.data == nullptr ? MakeUp(tensor, seed, begin, count, slot.pinned.get())
                           : Read(tensor, begin, count, slot.pinned.get());
      const size_t bytes = static_cast<size_t>(count) * DTypeBytes(dtype);
      const size_t offset = static_cast<size_t>(begin) * DTypeBytes(dtype);
      BATON_RETURN_IF_ERROR(queue_->ToDevice(to + offset, slot.pinned.get(), bytes));
      BATON_ASSIGN_OR_RETURN(slot.copied, queue_->Mark());
    }
    view.data = to;
    view.dtype = dtype;
    if (tensor.stride != nullptr) *tensor.stride = 0;
    return OkStatus();
  }

  /// Elements [begin, begin + count) of the tensor, its rows one behind the other.
  void Read(const Tensor& tensor, int64_t begin, int64_t count, std::byte* to) const {
    const TensorView& view = *tensor.view;
    if (tensor.stride == nullptr || *tensor.stride == 0) {
      ReadRun(view, begin, count, to);
      return;
    }
    const int64_t columns = view.shape[1];
    for (int64_t done = 0; done < count;) {
      const int64_t row = (begin + done) / columns;
      const int64_t column = (begin + done) % columns;
      const int64_t run = std::min(columns - column, count - done);
      ReadRun(view, row * *tensor.stride + column, run,
              to + static_cast<size_t>(done) * DTypeBytes(TypeOf(view)));
      done += run;
    }
  }

  void ReadRun(const TensorView& view, int64_t begin, int64_t count, std::byte* to) const {
    const DType dtype = TypeOf(view);
    const size_t from_bytes = DTypeBytes(view.dtype);
    const auto* from =
        static_cast<const std::byte*>(view.data) + static_cast<size_t>(begin) * from_bytes;
    if (dtype == view.dtype) {
      std::memcpy(to, from, static_cast<size_t>(count) * from_bytes);
      return;
    }
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      Store(Load(from + i * from_bytes, view.dtype), dtype, to + i * DTypeBytes(dtype));
    }
  }

  /// REQUIRES: `begin` is a multiple of 4.
  void MakeUp(const Tensor& tensor, uint64_t seed, int64_t begin, int64_t count,
              std::byte* to) const {
    const TensorView& view = *tensor.view;
    const DType dtype = TypeOf(view);
    const float same = tensor.kind == Kind::kNorm ? 1 - config_.norm_offset : 0;
    const float bound =
        tensor.kind != Kind::kMatrix
            ? 0
            : std::sqrt(3.0f / static_cast<float>(view.shape[view.shape.rank() - 1]));
    uint64_t word = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (i % 4 == 0) word = Mixed(Mixed(seed) + static_cast<uint64_t>((begin + i) / 4));
      const auto part = static_cast<int16_t>(word >> (16 * (i % 4)));
      const float value = same + bound * static_cast<float>(part) * 0x1.0p-15f;
      Store(value, dtype, to + static_cast<size_t>(i) * DTypeBytes(dtype));
    }
  }

  const ModelConfig& config_;
  const Placement& placement_;
  std::unique_ptr<device::CopyQueue> queue_;
  std::array<Slot, 2> slots_;
  size_t next_ = 0;
};

}  // namespace

Result<device::Allocation> PlaceWeights(const ModelConfig& config, Weights& weights,
                                        const Placement& placement) {
  BATON_CHECK(placement.staging_bytes % 64 == 0 && placement.staging_bytes > 0);
  return Placer(config, placement).Run(weights);
}

}  // namespace baton::model
