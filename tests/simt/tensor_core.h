#pragma once

#include <cstdint>

#include "simt/machine.h"

/// wgmma: products that a warp issues and that are done later, in order, each from what registers
/// and shared memory hold at that time.
namespace baton::simt {

/// One lane's part of a product D [64, n] += A [64, 16] B [16, n].
struct WgmmaPart {
  float* d = nullptr;           ///< n / 2 accumulators.
  const uint32_t* a = nullptr;  ///< Four registers, or null: A from shared memory.
  uint64_t a_matrix = 0;
  uint64_t b_matrix = 0;
  int n = 0;
  bool b_across = false;  ///< B's tile runs along N.
  bool accumulate = false;
};

void IssueWgmma(WgmmaPart part, Site site);
void FenceWgmma(Site site);
void CommitWgmma(Site site);
void WaitWgmma(size_t pending, Site site);

/// The shared address of element (row, k) of a matrix by the bits of its descriptor, row counting
/// along M or N; `across`: the tile's rows run along M or N instead of K. For tests too.
uint32_t MatrixElement(uint64_t matrix, bool across, uint32_t row, uint32_t k);

}  // namespace baton::simt
