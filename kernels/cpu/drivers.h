#pragma once

#include <cstdlib>
#include <memory>

#include "baton/device/host_stream.h"
#include "baton/ops/ops.h"
#include "isa.h"

namespace baton::kernels::cpu {

/// The operations: each checks its contract, divides the work and runs `isa` on each range.
void Embedding(const Isa& isa, const ops::EmbeddingParams& p, device::HostStream& stream);
void RmsNorm(const Isa& isa, const ops::RmsNormParams& p, device::HostStream& stream);
void Linear(const Isa& isa, const ops::LinearParams& p, device::HostStream& stream);
size_t PackedBytes(const ops::PackLinearParams& p);
void PackLinear(const Isa& isa, const ops::PackLinearParams& p, device::HostStream& stream);
void RopeKvWrite(const Isa& isa, const ops::RopeKvWriteParams& p, device::HostStream& stream);
void PagedAttention(const Isa& isa, const ops::PagedAttentionParams& p, device::HostStream& stream);
void SiluMul(const Isa& isa, const ops::GatedActivationParams& p, device::HostStream& stream);
void GeluMul(const Isa& isa, const ops::GatedActivationParams& p, device::HostStream& stream);
void SoftCap(const Isa& isa, const ops::SoftCapParams& p, device::HostStream& stream);
void GatherRows(const ops::GatherRowsParams& p, device::HostStream& stream);
void GatherKv(const ops::KvRunsParams& p, device::HostStream& stream);
void ScatterKv(const ops::KvRunsParams& p, device::HostStream& stream);
void Sample(const Isa& isa, const ops::SampleParams& p, device::HostStream& stream);

/// Aborts unless `kv` and `batch` can be addressed.
void CheckPaged(const ops::PagedKv& kv, const ops::PagedBatch& batch);

/// Elements of simple work that are worth another thread: some 10 us of one core.
inline constexpr int64_t kGrainElements = 16384;

/// How many items of `cost` elements each make a range worth another thread; at least 1.
inline int64_t GrainOf(int64_t cost) { return kGrainElements / (cost > 0 ? cost : 1) + 1; }

/// Working memory of one range, uninitialised, aligned to cache lines.
class Scratch {
 public:
  explicit Scratch(int64_t bytes)
      : data_(static_cast<std::byte*>(
            std::aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64))) {}
  std::byte* bytes() { return data_.get(); }
  float* floats() { return reinterpret_cast<float*>(data_.get()); }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace baton::kernels::cpu
