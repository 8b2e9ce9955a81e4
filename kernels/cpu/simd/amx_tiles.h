#pragma once

#include <cstdint>

// For isa_amx.cc alone. The compiler's own intrinsics do not tell it that loads of tiles read
// memory, so that stores before them could come later.
namespace baton::kernels::cpu::amx {

/// A tile: 16 rows of 64 bytes, which lie one behind the other where nothing else is said.
inline constexpr int64_t kTileRows = 16;
inline constexpr int64_t kTileRowBytes = 64;
inline constexpr int64_t kTileBytes = kTileRows * kTileRowBytes;

/// While there is one, the calling thread has tiles. Not longer, as the kernel saves what they hold
/// whenever it switches threads.
class TileScope {
 public:
  struct Tile {
    int64_t rows = kTileRows;
    int64_t row_bytes = kTileRowBytes;
  };

  explicit TileScope(const Tile (&tiles)[8]) {
    Shape shape;
    for (int i = 0; i < 8; ++i) {
      shape.rows[i] = static_cast<uint8_t>(tiles[i].rows);
      shape.row_bytes[i] = static_cast<uint16_t>(tiles[i].row_bytes);
    }
    asm volatile("ldtilecfg %0" ::"m"(shape));
  }
  ~TileScope() { asm volatile("tilerelease"); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

 private:
  struct alignas(64) Shape {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Shape) == 64);
};

template <int Tile>
[[gnu::always_inline]] inline void LoadTile(const void* from, int64_t stride = kTileRowBytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(Tile) : "memory");
}

template <int Tile>
[[gnu::always_inline]] inline void StoreTile(void* to, int64_t stride = kTileRowBytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(Tile) : "memory");
}

template <int Tile>
[[gnu::always_inline]] inline void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(Tile));
}

/// sums += x w: x of rows of 32 bfloat16, w of 16 rows of a pair for each of 16 columns. To each
/// float32 come the sum of the products of the pairs' first elements and that of the second ones,
/// each in order from zero, added to one another. What is not normal counts as zero.
template <int Sums, int X, int W>
[[gnu::always_inline]] inline void AddBFloat16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sums), "i"(X), "i"(W));
}

/// The same of rows of 64 int8 and four of them for each column, in int32.
template <int Sums, int X, int W>
[[gnu::always_inline]] inline void AddInt8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sums), "i"(X), "i"(W));
}

}  // namespace baton::kernels::cpu::amx
