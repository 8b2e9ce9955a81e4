#pragma once

#include <cstdint>

namespace baton::kernels::cuda::wgmma_gemm {

inline constexpr int kTileM = 128;
inline constexpr int kTileN = 128;
inline constexpr int kTileK = 64;
/// Row tiles that are taken together, column by column, so that what they read stays in L2.
inline constexpr int kGroupM = 16;

struct Tile {
  int m = 0;
  int n = 0;
};

__host__ __device__ constexpr int Tiles(int64_t extent, int tile) {
  return static_cast<int>((extent + tile - 1) / tile);
}

/// The order in which tiles are computed: all of each once.
__host__ __device__ constexpr Tile TileAt(int index, int tiles_m, int tiles_n) {
  const int group = index / (kGroupM * tiles_n);
  const int first = group * kGroupM;
  const int height = tiles_m - first < kGroupM ? tiles_m - first : kGroupM;
  const int within = index - first * tiles_n;
  return {first + within % height, within / height};
}

}  // namespace baton::kernels::cuda::wgmma_gemm
