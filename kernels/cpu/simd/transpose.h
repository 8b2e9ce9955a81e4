#pragma once

#include <cstdint>

#include <immintrin.h>

namespace baton::kernels::cpu {

/// 8 rows of 8 to columns, for instruction sets that have AVX. Each file that includes it has its
/// own copy.
[[gnu::always_inline]] static inline void TransposeEight(const float* from, int64_t stride,
                                                         float* to, int64_t to_stride) {
  // Rows 0 to 3 in the lower halves, rows 4 to 7 in the upper ones, so that none has to cross.
  for (int j = 0; j < 8; j += 4) {
    __m256 row[4];
    __m256 pair[4];
    for (int i = 0; i < 4; ++i) {
      const __m128 low = _mm_loadu_ps(from + i * stride + j);
      const __m128 high = _mm_loadu_ps(from + (i + 4) * stride + j);
      row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
    }
    for (int i = 0; i < 4; i += 2) {
      pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
      pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    _mm256_storeu_ps(to + j * to_stride, _mm256_shuffle_ps(pair[0], pair[2], 0x44));
    _mm256_storeu_ps(to + (j + 1) * to_stride, _mm256_shuffle_ps(pair[0], pair[2], 0xEE));
    _mm256_storeu_ps(to + (j + 2) * to_stride, _mm256_shuffle_ps(pair[1], pair[3], 0x44));
    _mm256_storeu_ps(to + (j + 3) * to_stride, _mm256_shuffle_ps(pair[1], pair[3], 0xEE));
  }
}

}  // namespace baton::kernels::cpu
