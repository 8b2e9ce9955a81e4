#include <cstring>

#include "reference.h"

namespace baton::kernels::reference {
namespace {

/// Calls copy(place in the cache, place in the buffer) for every run.
template <class Copy>
void ForRuns(const ops::KvRunsParams& p, Copy copy) {
  for (int32_t b = 0; b < p.B; ++b) {
    for (int32_t r = 0; r < p.runs; ++r) {
      copy(p.cache + p.blocks[b] * p.block_stride + p.offset + r * p.run_stride,
           p.buffer + (int64_t{b} * p.runs + r) * p.run_bytes);
    }
  }
}

}  // namespace

void GatherKv(const ops::KvRunsParams& p, device::Stream&) {
  ForRuns(p, [&](const std::byte* cache, std::byte* buffer) {
    std::memcpy(buffer, cache, static_cast<size_t>(p.run_bytes));
  });
}

void ScatterKv(const ops::KvRunsParams& p, device::Stream&) {
  ForRuns(p, [&](std::byte* cache, const std::byte* buffer) {
    std::memcpy(cache, buffer, static_cast<size_t>(p.run_bytes));
  });
}

}  // namespace baton::kernels::reference
