#pragma once

#include "../isa.h"
#include "linear.h"
#include "panels.h"
#include "rounded_row.h"
#include "tiles.h"
#include "typed.h"

namespace baton::kernels::cpu {

/// Both operands rounded to eight bits, piece by piece of kBlockK along K. A piece's products are
/// summed in whole numbers, below 2^24 and so exact as a float32; these sums, each by the scales of
/// its row and its column, are added in order: the bits are those of every instruction set.
template <class V>
struct EightBits {
  static_assert(kBlockK * 127 * 127 < 1 << 24, "a sum is a float32");
  using Ints = typename V::Ints;
  using Weight = int8_t;
  using Element = typename Ints::Element;
  using Sum = Ints;
  using Columns = Ints;
  using Factor = Ints;
  static constexpr int kMostRows = V::kLinearRows;
  static constexpr int64_t kJoined = Ints::kJoined;
  static constexpr int64_t kElementBytes = sizeof(Element);
  /// In the cache line before the elements.
  struct Head {
    float scale;
    int32_t surplus;  ///< What Ints adds to a sum beyond it.
  };
  static constexpr int64_t kElementsAt = 64;
  static constexpr int64_t kRowBytes = kElementsAt + (kBlockK + 32) * kElementBytes;
  static constexpr int64_t kStepBytes = kPanel * kJoined;
  static constexpr int64_t kStepsAt = kPanel * sizeof(float);
  static int64_t PanelBytes(int64_t depth) {
    return Panels<V>::template Bytes<int8_t, kJoined>(depth);
  }

  static Ints Zero() { return Ints::Zero(); }
  static Ints LoadColumns(const std::byte* w) { return Ints::LoadColumns(w); }
  static Ints Broadcast(const std::byte* x) { return Ints::Broadcast(x); }
  static Ints MulAdd(const Ints& factor, const Ints& columns, const Ints& sum) {
    return Ints::MulAdd(factor, columns, sum);
  }
  static V Finish(const Ints& sum, const std::byte* row, const std::byte* panel) {
    const auto* head = reinterpret_cast<const Head*>(row);
    const V scales = V::Load(reinterpret_cast<const float*>(panel)) * V::Broadcast(head->scale);
    return V::FromInts(sum, head->surplus) * scales;
  }

  /// `depth` elements of a row to where Tiles reads them.
  static void RoundRow(const float* x, int64_t depth, std::byte* row) {
    auto* elements = reinterpret_cast<Element*>(row + kElementsAt);
    Head head{.scale = RoundedRow<V>::Round(x, depth, elements), .surplus = 0};
    for (int64_t k = depth; k % kJoined != 0; ++k) elements[k] = 0;
    int32_t sum = 0;
    for (int64_t k = 0; k < depth; ++k) sum += elements[k];
    head.surplus = sum * Ints::kBias;
    __builtin_memcpy(row, &head, sizeof head);
  }
};

/// Both operands rounded to bfloat16. Two neighbours along K are a step: the second product is
/// added to the sum, then the first, each with one rounding. The bits are those of every
/// instruction set, but where sums are below the smallest normal float32.
template <class V>
struct SixteenBits {
  using Pairs = typename V::Pairs;
  using Weight = BFloat16;
  using Sum = V;
  using Columns = typename Pairs::Columns;
  using Factor = typename Pairs::Factor;
  using Element = typename Pairs::Element;
  static constexpr int kMostRows = V::kLinearRows;
  static constexpr int64_t kJoined = 2;
  static constexpr int64_t kElementBytes = sizeof(Element);
  static constexpr int64_t kElementsAt = 0;
  static constexpr int64_t kRowBytes = (kBlockK + 32) * kElementBytes;
  static constexpr int64_t kStepBytes = kPanel * kJoined * sizeof(BFloat16);
  static constexpr int64_t kStepsAt = 0;
  static int64_t PanelBytes(int64_t depth) {
    return Panels<V>::template Bytes<BFloat16, kJoined>(depth);
  }

  static V Zero() { return V::Zero(); }
  static Columns LoadColumns(const std::byte* w) { return Pairs::LoadColumns(w); }
  static Factor Broadcast(const std::byte* x) { return Pairs::Broadcast(x); }
  static V MulAdd(Factor factor, Columns columns, V sum) {
    return Pairs::MulAdd(factor, columns, sum);
  }
  static V Finish(V sum, const std::byte*, const std::byte*) { return sum; }

  static void RoundRow(const float* x, int64_t depth, std::byte* row) {
    auto* elements = reinterpret_cast<Element*>(row);
    for (int64_t k = 0; k < depth; k += V::kLanes) {
      BFloat16 rounded[V::kLanes];
      LoadUpTo<V>(x + k, depth - k).Store(rounded);
      if constexpr (kElementBytes == sizeof(BFloat16)) {
        __builtin_memcpy(elements + k, rounded, sizeof rounded);
      } else {
        V::Load(rounded).Store(elements + k);
      }
    }
  }
};

/// y = x w^T with x rounded as A says, once for all columns: into blocks of kBlockK along K, in
/// each all T rows.
template <class V>
struct RoundedLinear {
  static bool Rounds(ops::Packing packing) {
    return packing == ops::Packing::kW8A8 || packing == ops::Packing::kW16A16;
  }

  template <class F>
  static auto WithRounding(ops::Packing packing, F f) {
    return packing == ops::Packing::kW16A16 ? f.template operator()<SixteenBits<V>>()
                                            : f.template operator()<EightBits<V>>();
  }

  static int64_t RowBytes(ops::Packing packing) {
    return WithRounding(packing, []<class A>() { return A::kRowBytes; });
  }

  static int64_t Bytes(const ops::LinearParams& p) {
    return (p.K + kBlockK - 1) / kBlockK * p.T * RowBytes(p.w_packing);
  }

  static std::byte* RowAt(const ops::LinearParams& p, std::byte* rounded, int64_t k, int64_t t) {
    return rounded + (k / kBlockK * p.T + t) * RowBytes(p.w_packing);
  }

  static void RoundRows(const ops::LinearParams& p, int64_t t_begin, int64_t t_end,
                        std::byte* rounded) {
    WithRounding(p.w_packing, [&]<class A>() {
      for (int64_t t = t_begin; t < t_end; ++t) {
        const float* x = static_cast<const float*>(p.x) + t * p.x_stride;
        for (int64_t k = 0; k < p.K; k += kBlockK) {
          A::RoundRow(x + k, Panels<V>::BlockDepth(p.K, k), RowAt(p, rounded, k, t));
        }
      }
    });
  }

  static void Run(const ops::LinearParams& p, const LinearRange& range, const std::byte* rounded) {
    WithRounding(p.w_packing, [&]<class A>() {
      for (int64_t k = 0; k < p.K; k += kBlockK) {
        const Tiles<V, A> part{
            .x = RowAt(p, const_cast<std::byte*>(rounded), k, range.t_begin),
            .y = static_cast<float*>(p.y) + range.t_begin * p.y_stride + range.n_begin,
            .y_stride = p.y_stride,
            .rows = range.t_end - range.t_begin,
            .columns = range.n_end - range.n_begin,
            .depth = Panels<V>::BlockDepth(p.K, k),
            .adds = k > 0};
        const auto panels_at = [&](int64_t k_begin) {
          return static_cast<const std::byte*>(p.w) +
                 Panels<V>::template Begin<typename A::Weight, A::kJoined>(p.N, p.K, k_begin,
                                                                           range.n_begin);
        };
        part.Multiply(panels_at(k), panels_at(k + kBlockK < p.K ? k + kBlockK : k));
      }
    });
    if (p.bias == nullptr) return;
    WithType<V>(p.w_dtype,
                [&]<class W>() { Linear<V>::AddBias(p, range, static_cast<const W*>(p.bias)); });
  }
};

/// y = x w^T with x rounded or as it is, as the packing says.
template <class V>
struct AnyLinear {
  using Rounded = RoundedLinear<V>;

  static int64_t LaidBytes(const ops::LinearParams& p) {
    return Rounded::Rounds(p.w_packing) ? Rounded::Bytes(p) : Linear<V>::LaidBytes(p);
  }
  static void LayRows(const ops::LinearParams& p, int64_t t_begin, int64_t t_end, std::byte* laid) {
    Rounded::Rounds(p.w_packing) ? Rounded::RoundRows(p, t_begin, t_end, laid)
                                 : Linear<V>::LayRows(p, t_begin, t_end, laid);
  }
  static int64_t ScratchBytes(const ops::LinearParams& p, int64_t, int64_t) {
    return Linear<V>::ScratchBytes(p);
  }
  static void Run(const ops::LinearParams& p, const LinearRange& range, const std::byte* laid,
                  std::byte* scratch) {
    if (Rounded::Rounds(p.w_packing)) return Rounded::Run(p, range, laid);
    Linear<V>::Run(p, range, laid, scratch);
  }
};

}  // namespace baton::kernels::cpu
