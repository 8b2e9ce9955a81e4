#pragma once

#include <cstdint>
#include <cstring>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/ldmatrix.h. Source of the layout: PTX ISA, "ldmatrix".
namespace baton::kernels::cuda::ptx {

struct TileRows {
  const unsigned char* row = nullptr;
  uint32_t words[4] = {};
};

/// Element [row][column] of tile `i`.
inline uint32_t TileElement(TileRows* const (&lanes)[32], int i, int row, int column) {
  uint16_t element = 0;
  std::memcpy(&element, lanes[8 * i + row]->row + 2 * column, sizeof element);
  return element;
}

template <bool transposed>
void LoadTilesOfLanes(uint32_t (&to)[4], const void* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) simt::Fail("ldmatrix: a row is not aligned");
  // Only shared memory has such an address.
  TileRows mine{
      .row = reinterpret_cast<const unsigned char*>(simt::SharedAt(simt::SharedAddress(row)))};
  simt::WarpCollective<TileRows>("ldmatrix", mine, [](TileRows* const(&lanes)[32]) {
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4;
      const int pair = lane % 4 * 2;
      for (int i = 0; i < 4; ++i) {
        const uint32_t low =
            transposed ? TileElement(lanes, i, pair, g) : TileElement(lanes, i, g, pair);
        const uint32_t high =
            transposed ? TileElement(lanes, i, pair + 1, g) : TileElement(lanes, i, g, pair + 1);
        lanes[lane]->words[i] = low | high << 16;
      }
    }
  });
  std::memcpy(to, mine.words, sizeof to);
}

inline void LoadTiles(uint32_t (&to)[4], const void* row) { LoadTilesOfLanes<false>(to, row); }
inline void LoadTilesTransposed(uint32_t (&to)[4], const void* row) {
  LoadTilesOfLanes<true>(to, row);
}

}  // namespace baton::kernels::cuda::ptx
