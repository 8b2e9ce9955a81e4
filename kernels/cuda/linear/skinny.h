#pragma once

#include <cstdint>

#include "baton/device/stream.h"
#include "baton/ops/linear.h"

namespace baton::kernels::cuda {

/// Rows that the skinny kernel takes at once: what fits one tensor core instruction.
inline constexpr int64_t kSkinnyRows = 8;

/// How the skinny kernel divides a problem; no bit of a result depends on it.
struct SkinnyTuning {
  int32_t columns = 32;  ///< Of y, that is rows of w, in one block: 16 or 32.

  bool operator==(const SkinnyTuning&) const = default;
};

/// The division that leaves the last wave of blocks fullest, counted in what a block reads.
SkinnyTuning ChooseSkinny(int64_t T, int64_t N, int multiprocessors);

/// y = x w^T + bias where x has few rows: each weight is read once for up to kSkinnyRows of them.
/// More rows are taken in groups.
/// Shapes: as ops::LinearParams; any N and K.
/// Types: x, w, bias bfloat16; y bfloat16 or float32.
/// Layout: any strides and alignment.
/// Errors: as there. Stream: enqueues only, allocates nothing, graph-safe.
/// Cost: 2 N K bytes of weights per group, bound by memory where K is a multiple of 8 and rows are
/// aligned to 16 bytes; else several times slower.
/// Accuracy: products are exact, their sum is float32 in an order that depends on K only, so that a
/// row's bits do not depend on T or on its neighbours.
/// Source: PTX ISA, "mma.sync", whose fragments are loaded straight from memory with K permuted.
void SkinnyLinear(const ops::LinearParams& p, device::Stream& stream);

}  // namespace baton::kernels::cuda
