#include "peer_sum/plan.h"

#include <algorithm>

#include "baton/base/units.h"

namespace baton::kernels::cuda::peer_sum {

/// As many blocks as have work for each thread, so that small sums wait for few flags.
Division Divide(int64_t bytes) {
  const int64_t units = bytes / kUnitBytes;
  const int64_t blocks = std::min<int64_t>(kMostBlocks, CeilDiv<int64_t>(units, kThreads));
  const int64_t block_units = CeilDiv(units, blocks);
  return {.blocks = static_cast<int32_t>(CeilDiv(units, block_units)), .block_units = block_units};
}

size_t PeerSumWorkspaceBytes() { return kWorkspaceBytes; }

/// Reckoned, not measured: (ranks - 1) * bytes come over links of some 350 GB/s, and that costs
/// more than a ring's 2 * bytes once it outweighs the ring's many waits. Against pairs, each of
/// which is a launch with waits of its own, it does not within what a workspace holds.
int64_t PeerSumMostBytes(int32_t ranks, bool in_pairs) {
  if (ranks != 2 && ranks != 4 && ranks != 8) return 0;
  return in_pairs ? kMostBytes : kMostBytes * 2 / ranks;
}

}  // namespace baton::kernels::cuda::peer_sum
