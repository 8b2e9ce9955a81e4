#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/peer_sum.h"

/// How a sum over peers is divided, and where its parts lie in a workspace. Pure.
namespace baton::kernels::cuda::peer_sum {

inline constexpr int kThreads = 256;
/// Blocks of a rank. Each has a slice of x and a place of its own in each workspace, waits only for
/// the same block of other ranks, and counts its own sums; so all of that follows from how often
/// the block ran, whatever the sizes of sums were.
inline constexpr int32_t kMostBlocks = 32;
inline constexpr int64_t kMostSliceBytes = 32 * 1024;
inline constexpr int64_t kMostBytes = kMostBlocks * kMostSliceBytes;

/// What threads move at once.
inline constexpr int64_t kUnitBytes = 16;

/// [block] sums that the block has made; only its own rank looks.
inline constexpr size_t kSumsAt = 0;
/// [rank][block] the last sum for which that rank's slice is there; written by that rank.
inline constexpr size_t kArrivedAt = 128;
/// [block][sum % 2][kMostSliceBytes] the workspace's own rank's slices. Two, as a peer may still
/// read the last one; it has read the one before that when it tells of the last.
inline constexpr size_t kSlicesAt = kArrivedAt + ops::kMostPeers * kMostBlocks * sizeof(uint32_t);
inline constexpr size_t kWorkspaceBytes = kSlicesAt + 2 * static_cast<size_t>(kMostBytes);

struct Division {
  int32_t blocks = 0;
  /// Units of each block but the last, which has what is left.
  int64_t block_units = 0;
};

/// REQUIRES: 0 < bytes <= kMostBytes, in whole units.
Division Divide(int64_t bytes);

size_t PeerSumWorkspaceBytes();
int64_t PeerSumMostBytes(int32_t ranks, bool in_pairs);

}  // namespace baton::kernels::cuda::peer_sum
