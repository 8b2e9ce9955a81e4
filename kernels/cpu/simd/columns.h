#pragma once

#include <cstdint>
#include <utility>

#include "../isa.h"

namespace baton::kernels::cpu {

/// Bits of elements of so many bytes.
template <int Bytes>
struct BitsOf {
  using Type = uint32_t;
};
template <>
struct BitsOf<2> {
  using Type = uint16_t;
};

/// kPanel rows of W, of 2 or 4 bytes, written side by side, as columns. V only names the
/// instruction set, so that each has its own copy.
template <class V, class W>
struct Columns {
  using Bits = typename BitsOf<sizeof(W)>::Type;
  typedef Bits Row [[gnu::vector_size(kPanel * sizeof(Bits))]];
  /// Instructions that interleave move nothing between such parts of a register.
  typedef Bits Lane [[gnu::vector_size(16)]];
  static constexpr int kInLane = sizeof(Lane) / sizeof(Bits);
  static constexpr int kLanes = kPanel / kInLane;
  /// Whether a row is one register.
  static constexpr bool kInterleaves = sizeof(Row) <= __BIGGEST_ALIGNMENT__;
  static_assert(sizeof(W) == sizeof(Bits));

  /// to[k * kPanel + i] = rows[i][k] for k below `depth`.
  static void Write(const W* const (&rows)[kPanel], int64_t depth, W* to) {
    int64_t done = 0;
    if constexpr (kInterleaves) {
      for (; done + kInLane <= depth; done += kInLane) WriteLanes(rows, done, to + done * kPanel);
    }
    for (int i = 0; i < kPanel; ++i) {
      for (int64_t k = done; k < depth; ++k) to[k * kPanel + i] = rows[i][k];
    }
  }

 private:
  /// As many k as a lane holds. Every kInLane-th row is a lane of one vector; the first half of the
  /// vectors is interleaved with the second until each holds one k of all rows.
  static void WriteLanes(const W* const (&rows)[kPanel], int64_t k, W* to) {
    Row mixed[kInLane];
    for (int i = 0; i < kInLane; ++i) {
      Lane lanes[kLanes];
      for (int l = 0; l < kLanes; ++l) {
        __builtin_memcpy(&lanes[l], static_cast<const void*>(rows[l * kInLane + i] + k),
                         sizeof(Lane));
      }
      mixed[i] = Join(lanes);
    }
    for (int width = 1; width < kInLane; width *= 2) {
      Row next[kInLane];
      for (int i = 0; i < kInLane / 2; ++i) {
        next[2 * i] = Interleave<0>(mixed[i], mixed[i + kInLane / 2]);
        next[2 * i + 1] = Interleave<kInLane / 2>(mixed[i], mixed[i + kInLane / 2]);
      }
      for (int i = 0; i < kInLane; ++i) mixed[i] = next[i];
    }
    for (int i = 0; i < kInLane; ++i) {
      __builtin_memcpy(static_cast<void*>(to + i * kPanel), &mixed[i], sizeof(Row));
    }
  }

  static Row Join(const Lane (&lanes)[kLanes]) {
    if constexpr (kLanes == 2) {
      return __builtin_shufflevector(lanes[0], lanes[1], 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                     13, 14, 15);
    } else {
      const auto low = __builtin_shufflevector(lanes[0], lanes[1], 0, 1, 2, 3, 4, 5, 6, 7);
      const auto high = __builtin_shufflevector(lanes[2], lanes[3], 0, 1, 2, 3, 4, 5, 6, 7);
      return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                                     15);
    }
  }

  /// Of each lane of a and of b the half from element `From` on.
  template <int From>
  static Row Interleave(const Row& a, const Row& b) {
    return [&]<int... i>(std::integer_sequence<int, i...>) {
      return __builtin_shufflevector(
          a, b, (i / kInLane * kInLane + From + i % kInLane / 2 + i % 2 * kPanel)...);
    }
    (std::make_integer_sequence<int, kPanel>());
  }
};

}  // namespace baton::kernels::cpu
