#pragma once

#include "../isa.h"
#include "panels.h"
#include "tiles.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// y = x w^T with x as it is. Lanes run along N: each y[t][n] is a sum over each block of K, k by
/// k, and these sums are added block by block.
template <class V>
struct Linear {
  static_assert(V::kLanes == kPanel, "a panel's row is one vector");

  /// What Tiles multiplies: float32 by w, widened in registers and, of int8, scaled at the end.
  template <class W>
  struct Widened {
    using Sum = V;
    using Columns = V;
    using Factor = V;
    static constexpr int64_t kJoined = 1;
    static constexpr int64_t kElementBytes = sizeof(float);
    static constexpr int64_t kElementsAt = 0;
    static constexpr int64_t kRowBytes = kBlockStride * kElementBytes;
    static constexpr int64_t kStepBytes = kPanel * sizeof(W);
    static constexpr int64_t kStepsAt = Panels<V>::template kScaleBytes<W>;
    static int64_t PanelBytes(int64_t depth) { return Panels<V>::template Bytes<W>(depth); }

    static V Zero() { return V::Zero(); }
    static V LoadColumns(const std::byte* w) { return V::LoadPanel(reinterpret_cast<const W*>(w)); }
    static V Broadcast(const std::byte* x) {
      return V::Broadcast(*reinterpret_cast<const float*>(x));
    }
    static V MulAdd(V factor, V columns, V sum) { return V::MulAdd(factor, columns, sum); }
    static V Finish(V sum, const std::byte*, const std::byte* panel) {
      if constexpr (kStepsAt == 0) return sum;
      return sum * V::Load(reinterpret_cast<const float*>(panel));
    }
  };
  template <class W>
  using Part = Tiles<V, Widened<W>>;

  /// Rows of a block of K and a panel.
  static int64_t ScratchBytes(int64_t rows) {
    return (rows * kBlockStride + kPanel * kBlockK) * int64_t{sizeof(float)};
  }

  static void Run(const ops::LinearParams& p, const LinearRange& range, float* scratch) {
    WithType<V>(p.w_dtype, [&]<class W>() {
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        p.w_packing == ops::Packing::kInt8 ? Block<int8_t>(p, range, k, scratch)
                                           : Block<W>(p, range, k, scratch);
      }
      if (p.bias != nullptr) AddBias(p, range, static_cast<const W*>(p.bias));
    });
  }

  /// What one block of K adds to the range.
  template <class W>
  static void Block(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                    float* scratch) {
    const int64_t rows = range.t_end - range.t_begin;
    const Part<W> part{.x = reinterpret_cast<const std::byte*>(scratch),
                       .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
                       .y_stride = p.y_stride,
                       .rows = rows,
                       .columns = range.n_end - range.n_begin,
                       .depth = Panels<V>::BlockDepth(p.K, k),
                       .adds = k > 0};
    CopyRows(static_cast<const float*>(p.x) + range.t_begin * p.x_stride + k, p.x_stride, rows,
             part.depth, scratch);
    if (p.w_packing != ops::Packing::kNone) {
      const auto* packed = static_cast<const std::byte*>(p.w);
      const auto panels_at = [&](int64_t k_begin) {
        return packed + Panels<V>::template Begin<W>(p.N, p.K, k_begin, range.n_begin);
      };
      const int64_t next = k + kBlockK < p.K ? k + kBlockK : k;
      return part.Multiply(panels_at(k), panels_at(next));
    }
    if constexpr (!Panels<V>::template kScaled<W>) PackAndMultiply(p, range, k, part, scratch);
  }

  /// Panel by panel, each packed in `scratch` behind the rows.
  template <class W>
  static void PackAndMultiply(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                              const Part<W>& part, float* scratch) {
    auto* panel = reinterpret_cast<W*>(scratch + part.rows * kBlockStride);
    const auto* bytes = reinterpret_cast<const std::byte*>(panel);
    for (int64_t n = 0; n < part.columns; n += kPanel) {
      Part<W> own = part;
      own.y += n;
      own.columns = part.columns - n < kPanel ? part.columns - n : kPanel;
      Panels<V>::PackPanel(static_cast<const W*>(p.w) + (range.n_begin + n) * p.w_row() + k,
                           p.w_row(), own.columns, part.depth, panel);
      own.Multiply(bytes, bytes);
    }
  }

  /// Where the kernels find rows at strides that the compiler knows.
  static void CopyRows(const float* x, int64_t x_stride, int64_t rows, int64_t depth, float* to) {
    for (int64_t t = 0; t < rows; ++t, x += x_stride, to += kBlockStride) {
      for (int64_t k = 0; k < depth; k += V::kLanes) {
        StoreUpTo(LoadUpTo<V>(x + k, depth - k), to + k, depth - k);
      }
    }
  }

  template <class W>
  static void AddBias(const ops::LinearParams& p, const LinearRange& range, const W* bias) {
    for (int64_t t = range.t_begin; t < range.t_end; ++t) {
      for (int64_t n = range.n_begin; n < range.n_end; n += V::kLanes) {
        float* y = static_cast<float*>(p.y) + t * p.y_stride + n;
        const int64_t left = range.n_end - n;
        StoreUpTo(LoadUpTo<V>(y, left) + LoadUpTo<V>(bias + n, left), y, left);
      }
    }
  }
};

}  // namespace baton::kernels::cpu
