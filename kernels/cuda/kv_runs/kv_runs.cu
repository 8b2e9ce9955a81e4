#include <algorithm>

#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 256;
/// Loads of 16 bytes that a thread has under way before it stores the first.
constexpr int kInFlight = 4;

/// Sizes and distances in units of 16 bytes.
struct Runs {
  const int32_t* blocks;  // [B]
  int64_t block_stride;
  int64_t offset;
  int64_t run_units;
  int64_t run_stride;
  int32_t runs;
};

/// The server does not call these: its puts are whole runs of both sides (README.md, "KV in one
/// piece").
///
/// Run blockIdx.y of block blockIdx.x, a part of it to each blockIdx.z.
template <bool kGather>
__global__ void __launch_bounds__(kThreads) CopyRuns(uint4* cache, uint4* buffer, Runs r) {
  const int64_t run = blockIdx.x * int64_t{gridDim.y} + blockIdx.y;
  uint4* paged =
      cache + r.blocks[blockIdx.x] * r.block_stride + r.offset + blockIdx.y * r.run_stride;
  uint4* dense = buffer + run * r.run_units;
  const uint4* from = kGather ? paged : dense;
  uint4* to = kGather ? dense : paged;
  const int64_t step = int64_t{gridDim.z} * kThreads * kInFlight;
  for (int64_t begin = int64_t{blockIdx.z} * kThreads * kInFlight + threadIdx.x;
       begin < r.run_units; begin += step) {
    uint4 units[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      if (begin + i * kThreads < r.run_units) units[i] = __ldcs(from + begin + i * kThreads);
    }
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) {
      if (begin + i * kThreads < r.run_units) __stcs(to + begin + i * kThreads, units[i]);
    }
  }
}

template <bool kGather>
void Copy(const ops::KvRunsParams& p, device::Stream& stream) {
  if (p.B == 0) return;
  BATON_CHECK(p.B > 0 && p.runs > 0 && p.runs < 65536 && p.run_bytes > 0 && p.cache != nullptr &&
              p.buffer != nullptr && p.blocks != nullptr);
  BATON_CHECK(Fits16(p.cache) && Fits16(p.buffer) && Fits16(p.block_stride) && Fits16(p.offset) &&
              Fits16(p.run_bytes) && Fits16(p.run_stride));
  const Runs runs{.blocks = p.blocks,
                  .block_stride = p.block_stride / 16,
                  .offset = p.offset / 16,
                  .run_units = p.run_bytes / 16,
                  .run_stride = p.run_stride / 16,
                  .runs = p.runs};
  constexpr int64_t kPart = int64_t{kThreads} * kInFlight;
  const int64_t parts = std::min<int64_t>((runs.run_units + kPart - 1) / kPart, 64);
  Launch(
      CopyRuns<kGather>,
      dim3(static_cast<unsigned>(p.B), static_cast<unsigned>(p.runs), static_cast<unsigned>(parts)),
      dim3(kThreads), 0, NativeStream(stream), reinterpret_cast<uint4*>(p.cache),
      reinterpret_cast<uint4*>(p.buffer), runs);
}

}  // namespace

void GatherKv(const ops::KvRunsParams& p, device::Stream& stream) { Copy<true>(p, stream); }

void ScatterKv(const ops::KvRunsParams& p, device::Stream& stream) { Copy<false>(p, stream); }

}  // namespace baton::kernels::cuda
