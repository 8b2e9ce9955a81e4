#pragma once

#include <cstdint>

/// Products of small tiles by the tensor cores, one warp together. Under the emulator
/// tests/simt/ptx/mma.h takes this file's place.
namespace baton::kernels::cuda::ptx {

/// d += a b for tiles a [16, 16] row-major, b [16, 8] column-major, d [16, 8]; bfloat16 summed in
/// float32. Lane 4 g + t holds, two elements to a word, the lower first:
/// a[0]: row g, columns 2 t, 2 t + 1; a[1]: row g + 8 of the same; a[2], a[3]: as these, 8 columns
/// on; b[0]: rows 2 t, 2 t + 1 of column g; b[1]: 8 rows on; d[0], d[1]: row g, columns 2 t, 2 t +
/// 1; d[2], d[3]: row g + 8. The order of the sum is the hardware's own, the same for every element
/// of d.
__device__ inline void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  // No C++ intrinsic gives the accumulator in registers of known layout.
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace baton::kernels::cuda::ptx
