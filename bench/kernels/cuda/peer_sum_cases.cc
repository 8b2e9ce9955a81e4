#include "baton/kernels/cuda_ops.h"
#include "measure.h"

/// Sums over tensor-parallel ranks, all of them on this device: what the kernel and its flags take
/// by themselves, without the links between GPUs, and so the least that a sum can take.
namespace baton::bench {
namespace {

using device::Stream;
using kernels::CudaOps;

constexpr int64_t kHidden = 4096;

Case PeerSumCase(int32_t ranks, int64_t rows) {
  const int64_t count = rows * kHidden;
  // Each rank leaves its x, reads those of all, and writes the sum.
  const double bytes = 2.0 * static_cast<double>(count * ranks * (3 + ranks));
  return {.op = "peer_sum",
          .shape = std::to_string(ranks) + " ranks on one device, " + std::to_string(rows) +
                   " rows of " + std::to_string(kHidden),
          .bytes = bytes,
          .flops = static_cast<double>(count * ranks * (ranks - 1)),
          .prepare = [ranks, count](DeviceSet& set) {
            ops::PeerSumParams p{.x = set.BFloat16s(count * ranks),
                                 .dtype = DType::kBFloat16,
                                 .count = count,
                                 .ranks = ranks,
                                 .ranks_here = ranks,
                                 .ended = reinterpret_cast<uint32_t*>(set.Ints({0}))};
            for (int32_t r = 0; r < ranks; ++r) {
              p.workspaces[static_cast<size_t>(r)] =
                  set.Bytes(static_cast<int64_t>(CudaOps().peer_sum_workspace_bytes()));
            }
            return [p](Stream& stream) { CudaOps().peer_sum(p, stream); };
          }};
}

}  // namespace

std::vector<Case> PeerSumCases() {
  std::vector<Case> cases;
  for (const int32_t ranks : {2, 4}) {
    for (const int64_t rows : {1, 16}) cases.push_back(PeerSumCase(ranks, rows));
  }
  return cases;
}

}  // namespace baton::bench
