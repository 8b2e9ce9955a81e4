#include <cstring>

#include "baton/base/check.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Calls copy(place in the cache, place in the buffer) for every run, on any thread.
template <class Copy>
void ForRuns(const ops::KvRunsParams& p, device::HostStream& stream, Copy copy) {
  if (p.B == 0) return;
  BATON_CHECK(p.B > 0 && p.runs > 0 && p.run_bytes > 0 && p.cache != nullptr &&
              p.buffer != nullptr && p.blocks != nullptr);
  stream.ParallelFor(int64_t{p.B} * p.runs, GrainOf(p.run_bytes / 4),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         copy(p.cache + p.blocks[i / p.runs] * p.block_stride + p.offset +
                                  i % p.runs * p.run_stride,
                              p.buffer + i * p.run_bytes);
                       }
                     });
}

}  // namespace

void GatherKv(const ops::KvRunsParams& p, device::HostStream& stream) {
  ForRuns(p, stream, [&](const std::byte* cache, std::byte* buffer) {
    std::memcpy(buffer, cache, static_cast<size_t>(p.run_bytes));
  });
}

void ScatterKv(const ops::KvRunsParams& p, device::HostStream& stream) {
  ForRuns(p, stream, [&](std::byte* cache, const std::byte* buffer) {
    std::memcpy(cache, buffer, static_cast<size_t>(p.run_bytes));
  });
}

}  // namespace baton::kernels::cpu
