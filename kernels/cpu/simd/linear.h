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
    static constexpr int kMostRows = V::kWidenedRows;
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

  /// A row of x in each block of K, where the kernels find rows at strides that the compiler knows.
  static constexpr int64_t kRowBytes = Widened<float>::kRowBytes;

  static int64_t LaidBytes(const ops::LinearParams& p) {
    return (p.K + kBlockK - 1) / kBlockK * p.T * kRowBytes;
  }
  /// A panel, where weights are not packed.
  static int64_t ScratchBytes(const ops::LinearParams& p) {
    return p.w_packing == ops::Packing::kNone ? kPanel * kBlockK * int64_t{sizeof(float)} : 0;
  }

  static void LayRows(const ops::LinearParams& p, int64_t t_begin, int64_t t_end, std::byte* laid) {
    for (int64_t t = t_begin; t < t_end; ++t) {
      const float* x = static_cast<const float*>(p.x) + t * p.x_stride;
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        auto* to = reinterpret_cast<float*>(laid + RowBegin(p, k, t));
        const int64_t depth = Panels<V>::BlockDepth(p.K, k);
        for (int64_t i = 0; i < depth; i += V::kLanes) {
          StoreUpTo(LoadUpTo<V>(x + k + i, depth - i), to + i, depth - i);
        }
      }
    }
  }

  static void Run(const ops::LinearParams& p, const LinearRange& range, const std::byte* laid,
                  std::byte* scratch) {
    WithType<V>(p.w_dtype, [&]<class W>() {
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        p.w_packing == ops::Packing::kInt8 ? Block<int8_t>(p, range, k, laid, scratch)
                                           : Block<W>(p, range, k, laid, scratch);
      }
      if (p.bias != nullptr) AddBias(p, range, static_cast<const W*>(p.bias));
    });
  }

  static int64_t RowBegin(const ops::LinearParams& p, int64_t k, int64_t t) {
    return (k / kBlockK * p.T + t) * kRowBytes;
  }

  /// What one block of K adds to the range.
  template <class W>
  static void Block(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                    const std::byte* laid, std::byte* scratch) {
    const Part<W> part{.x = laid + RowBegin(p, k, range.t_begin),
                       .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
                       .y_stride = p.y_stride,
                       .rows = range.t_end - range.t_begin,
                       .columns = range.n_end - range.n_begin,
                       .depth = Panels<V>::BlockDepth(p.K, k),
                       .adds = k > 0};
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

  /// Panel by panel, each packed in `scratch`.
  template <class W>
  static void PackAndMultiply(const ops::LinearParams& p, const LinearRange& range, int64_t k,
                              const Part<W>& part, std::byte* scratch) {
    auto* panel = reinterpret_cast<W*>(scratch);
    for (int64_t n = 0; n < part.columns; n += kPanel) {
      Part<W> own = part;
      own.y += n;
      own.columns = part.columns - n < kPanel ? part.columns - n : kPanel;
      Panels<V>::PackPanel(static_cast<const W*>(p.w) + (range.n_begin + n) * p.w_row() + k,
                           p.w_row(), own.columns, part.depth, panel);
      own.Multiply(scratch, scratch);
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
