#pragma once

#include <cstdint>

#include "simt/machine.h"

/// The TMA unit: copies of boxes of bfloat16 tensors into shared memory, done at some later time.
namespace baton::simt {

/// What a tensor map holds; the fields of cuTensorMapEncodeTiled, checked as it checks them.
struct TensorCopyMap {
  const std::byte* base = nullptr;
  int rank = 0;
  uint64_t extent[5] = {};
  uint64_t stride_bytes[4] = {};
  uint32_t box[5] = {};
  /// Bytes in which pieces of 16 change places: 16 (none do), 32, 64, 128.
  uint32_t swizzle_bytes = 16;
};

/// Why the map cannot be made, or nothing.
std::string WhyNotATensorMap(const TensorCopyMap& map);

/// Element (c0, ..) of the box's corner, `coordinates` of them.
void CopyBoxLater(std::byte* shared, const TensorCopyMap& map, const int32_t* corner,
                  int coordinates, const uint64_t* barrier, Site site);
void CopyRunLater(std::byte* shared, const std::byte* global, uint32_t bytes,
                  const uint64_t* barrier, Site site);

}  // namespace baton::simt
