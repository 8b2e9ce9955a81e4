#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// Most ranks that sum by reading each other's memory.
inline constexpr int32_t kMostPeers = 8;

/// x = the sum of x over all ranks, on all ranks: each leaves its x in a workspace of its own
/// device, tells the others, waits for them and reads theirs.
/// v_r = x of rank r; then for distances 1, 2, 4, ...: v_r = Round(v_r + v_{r + distance}) for r in
/// steps of twice the distance; x = v_0. So do pairs of ranks that add what they have, each time
/// with a partner twice as far away: whichever of the two ways a message goes, its bits are the
/// same.
/// Shapes: x [ranks_here, count], count > 0; the same count and type on all ranks.
/// Types: float32 or bfloat16, sums rounded to it at each addition.
/// Layout: 16 bytes: x, count * bytes of an element. Workspaces: peer_sum_workspace_bytes each,
/// zeroed before the first sum and used for nothing else; each rank's device reaches all of them.
/// Errors: none; the contract is checked (BATON_CHECK) once per call. REQUIRES ranks of 2, 4 or 8,
/// and at most peer_sum_most_bytes of x.
/// Stream: enqueues only; graph-safe, as sums are counted in the workspaces. Waits on the device
/// for the other ranks, each of which enqueues the same sums in the same order. All of a rank's go
/// to one stream, and none overlaps the one before (no programmatic dependent launch).
/// Cost: (ranks - 1) * count elements read over the links between devices, one wait.
/// Accuracy: the bits of the formula, on all ranks, whatever count is and however often it ran.
/// Source: the one-shot all-reduce of TensorRT-LLM and vLLM (custom_all_reduce), here in pairs.
struct PeerSumParams {
  void* x = nullptr;
  DType dtype = DType::kFloat32;
  int64_t count = 0;
  int32_t rank = 0;
  int32_t ranks = 0;
  /// Ranks that are computed here, this one and those behind it; more than one in tests.
  int32_t ranks_here = 1;
  /// By rank.
  std::array<std::byte*, kMostPeers> workspaces = {};
  /// In memory that the host can write at any time (pinned). Not 0: nobody waits any more, and what
  /// sums give is worthless.
  const uint32_t* ended = nullptr;
};

}  // namespace baton::ops
