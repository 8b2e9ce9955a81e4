#pragma once

#include <bit>
#include <cstdint>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/mma.h. Sums are exact and rounded once: a test must not rely on the
/// last bits of what a tensor core makes of many products.
namespace baton::kernels::cuda::ptx {

struct MmaFragments {
  float d[4];
  uint32_t a[4];
  uint32_t b[2];
};

inline double MmaElement(uint32_t word, int half) {
  return std::bit_cast<float>(half == 0 ? word << 16 : word & 0xFFFF0000u);
}

inline void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MmaFragments mine{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  simt::WarpCollective<MmaFragments>(
      "mma.sync m16n8k16", mine, [](MmaFragments* const(&lanes)[32]) {
        double left[16][16];
        double right[16][8];
        for (int lane = 0; lane < 32; ++lane) {
          const int g = lane / 4;
          const int t = lane % 4;
          for (int i = 0; i < 8; ++i) {
            left[g + i / 2 % 2 * 8][2 * t + i % 2 + i / 4 * 8] =
                MmaElement(lanes[lane]->a[i / 2], i % 2);
          }
          for (int i = 0; i < 4; ++i) {
            right[2 * t + i % 2 + i / 2 * 8][g] = MmaElement(lanes[lane]->b[i / 2], i % 2);
          }
        }
        for (int lane = 0; lane < 32; ++lane) {
          for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + i / 2 * 8;
            const int column = lane % 4 * 2 + i % 2;
            double sum = lanes[lane]->d[i];
            for (int k = 0; k < 16; ++k) sum += left[row][k] * right[k][column];
            lanes[lane]->d[i] = static_cast<float>(sum);
          }
        }
      });
  for (int i = 0; i < 4; ++i) d[i] = mine.d[i];
}

}  // namespace baton::kernels::cuda::ptx
