#pragma once

#include "../isa.h"
#include "amx_operands.h"
#include "amx_tiles.h"
#include "linear.h"
#include "panels.h"
#include "typed.h"

namespace baton::kernels::cpu::amx {

/// x as products read it: blocks of kBlockK along K; in each, for 16 rows after the other, their
/// scales, then step by step along K a tile for each term.
template <class A>
struct LaidRows {
  static constexpr int64_t kHeadBytes = kTileRows * sizeof(float);
  static constexpr int64_t kStepBytes = A::kTerms * kTileBytes;
  static constexpr int64_t kBytes = kHeadBytes + kBlockK / A::kStep * kStepBytes;

  static int64_t Tiles(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }
  static int64_t Bytes(int64_t T, int64_t K) {
    return (K + kBlockK - 1) / kBlockK * Tiles(T) * kBytes;
  }
  /// The 16 rows with row t, of the block that begins at k.
  static int64_t Begin(int64_t T, int64_t k, int64_t t) {
    return (k / kBlockK * Tiles(T) + t / kTileRows) * kBytes;
  }

  static void Lay(const ops::LinearParams& p, int64_t t, std::byte* laid) {
    const float* x = static_cast<const float*>(p.x) + t * p.x_stride;
    const int64_t row = t % kTileRows;
    for (int64_t k = 0; k < p.K; k += kBlockK) {
      std::byte* to = laid + Begin(p.T, k, t);
      const float scale =
          A::LayRow(x + k, Panels<Vec>::BlockDepth(p.K, k), [&](int64_t step, int term) {
            return to + kHeadBytes + step * kStepBytes + term * kTileBytes + row * kTileRowBytes;
          });
      reinterpret_cast<float*>(to)[row] = scale;
    }
  }
};

/// Some rows and columns of y. Each of its sums takes K step by step, and of a step term by term,
/// from zero in every kSumBlocks blocks of K, and these sums are added in order; so its bits do not
/// depend on the tiles that are made together.
template <class A>
class Product {
 public:
  /// Columns whose sums are kept while K is gone through block by block.
  static constexpr int64_t kColumns = 512;
  /// Blocks of K that are summed in tiles. With more of them the error would grow beyond that of
  /// sums by multiply-adds; where blocks have scales each is by itself.
  static constexpr int64_t kSumBlocks = A::kScaled ? 1 : 4;
  static constexpr int64_t kMostPanels = 4;
  /// Tiles in a page of memory.
  static constexpr int64_t kPageSteps = 4;
  static constexpr int64_t kPanelBytes = kBlockK * kPanel * sizeof(BFloat16);

  static int64_t ScratchBytes(int64_t rows, int64_t columns) {
    const int64_t panels = PanelsOf(columns < kColumns ? columns : kColumns);
    return kMostPanels * (kTileBytes + kPanelBytes) + 2 * SumsBytes(rows, panels);
  }

  Product(const ops::LinearParams& params, const LinearRange& range, const std::byte* laid,
          std::byte* scratch)
      : p_(params),
        range_(range),
        rows_(range.t_end - range.t_begin),
        tiles_(LaidRows<A>::Tiles(rows_)),
        tile_bytes_((tiles_ > 1 ? kTileRows : rows_) * kTileRowBytes),
        laid_(laid),
        finished_(reinterpret_cast<float*>(scratch)),
        packed_(scratch + kMostPanels * kTileBytes),
        sums_(packed_ + kMostPanels * kPanelBytes) {
    const int64_t columns = range.n_end - range.n_begin;
    totals_ = sums_ + SumsBytes(rows_, PanelsOf(columns < kColumns ? columns : kColumns));
  }

  void Multiply() {
    // Sums and x have as many rows as there are; tile 4 is of w.
    const TileScope::Tile some{.rows = tiles_ > 1 ? kTileRows : rows_};
    const TileScope scope({some, some, some, some, {}, some, some, some});
    for (first_ = range_.n_begin; first_ < range_.n_end; first_ += kColumns) {
      const int64_t end = range_.n_end - first_ < kColumns ? range_.n_end : first_ + kColumns;
      for (k_ = 0; k_ < p_.K; k_ += kBlockK) MultiplyBlock(end);
    }
  }

 private:
  using Weight = typename A::Weight;
  /// Of a panel in memory.
  static int64_t PanelBytes(int64_t depth) {
    return Panels<Vec>::template Bytes<Weight, A::kStep>(depth);
  }
  static constexpr int64_t kHeadBytes = Panels<Vec>::template kScaleBytes<Weight>;

  static int64_t PanelsOf(int64_t columns) { return (columns + kPanel - 1) / kPanel; }
  static int64_t SumsBytes(int64_t rows, int64_t panels) {
    return LaidRows<A>::Tiles(rows) * kTileBytes * panels;
  }

  /// What the block of K at k_ adds to columns [first_, end).
  void MultiplyBlock(int64_t end) {
    depth_ = Panels<Vec>::BlockDepth(p_.K, k_);
    steps_ = (depth_ + A::kStep - 1) / A::kStep;
    is_last_ = k_ + kBlockK >= p_.K;
    begins_ = k_ % (kSumBlocks * kBlockK) == 0;
    ends_ = is_last_ || (k_ / kBlockK + 1) % kSumBlocks == 0;
    adds_ = k_ >= kSumBlocks * kBlockK;
    // One tile of rows takes four panels, so that there are enough sums under way; two take two.
    const int64_t width = (tiles_ > 1 ? 2 : kMostPanels) * kPanel;
    for (int64_t n = first_; n < end; n += width) {
      const int64_t n_end = end - n < width ? end : n + width;
      const int64_t panels = (n_end - n + kPanel - 1) / kPanel;
      TakePanels(n, panels);
      FetchAhead(n_end, end);
      if (tiles_ == 1) {
        panels == kMostPanels ? Tile<1, kMostPanels>(0, n, 0) : OneByOne(n, panels);
        continue;
      }
      for (int64_t t = 0; t < tiles_; t += 2) {
        if (t + 1 == tiles_) {
          OneByOne(n, panels, t);
        } else if (panels == 2) {
          Tile<2, 2>(t, n, 0);
        } else {
          Tile<2, 1>(t, n, 0);
        }
      }
    }
  }

  void OneByOne(int64_t n, int64_t panels, int64_t t = 0) {
    for (int64_t i = 0; i < panels; ++i) Tile<1, 1>(t, n + i * kPanel, i);
  }

  /// Has the panels from column n on lie as tiles.
  void TakePanels(int64_t n, int64_t panels) {
    if (p_.w_packing == ops::Packing::kNone) return PackPanels(n, panels);
    panel_ = static_cast<const std::byte*>(p_.w) +
             Panels<Vec>::template Begin<Weight, A::kStep>(p_.N, p_.K, k_, n);
    panel_bytes_ = PanelBytes(depth_);
    w_ = panel_ + kHeadBytes;
    w_bytes_ = panel_bytes_;
  }

  /// The panels that come next, as many lines in a step as have them there in time: the processor
  /// does so only once they are read. For few rows, whose panels follow fast, more would be in its
  /// way.
  void FetchAhead(int64_t n, int64_t end) {
    ahead_ = nullptr;
    if (p_.w_packing == ops::Packing::kNone || tiles_ == 1) return;
    const int64_t k = n < end || is_last_ ? k_ : k_ + kBlockK;
    if (n >= end) n = is_last_ ? end : first_;
    const int64_t depth = Panels<Vec>::BlockDepth(p_.K, k);
    ahead_ = static_cast<const std::byte*>(p_.w) +
             Panels<Vec>::template Begin<Weight, A::kStep>(p_.N, p_.K, k, n);
    const int64_t lines = 2 * PanelBytes(depth) / kTileRowBytes;
    const int64_t passes = steps_ * ((tiles_ + 1) / 2);
    ahead_lines_ = (lines + passes - 1) / passes;
  }

  void PackPanels(int64_t n, int64_t panels) {
    if constexpr (!A::kScaled) {
      const auto* from = static_cast<const BFloat16*>(p_.w) + n * p_.w_row() + k_;
      for (int64_t i = 0; i < panels; ++i, from += kPanel * p_.w_row()) {
        Panels<Vec>::template RoundPanel<A::kJoined, 0, A::kStep>(
            from, p_.w_row(), p_.N - n - i * kPanel, depth_,
            reinterpret_cast<BFloat16*>(packed_ + i * kPanelBytes));
      }
      w_ = packed_;
      w_bytes_ = kPanelBytes;
    }
  }

  /// Of the t-th and later tiles of rows and of the columns from n on, which are those of the i-th
  /// panel taken and later ones.
  template <int Rows, int Count>
  void Tile(int64_t t, int64_t n, int64_t i) {
    if (begins_) {
      ForEach<Rows, Count>([&]<int R, int C>() { ZeroTile<R * 2 + C>(); });
    } else {
      ForEach<Rows, Count>([&]<int R, int C>() { LoadTile<R * 2 + C>(At(sums_, t + R, n, C)); });
    }
    if (is_last_) ForEach<Rows, Count>([&]<int R, int C>() { Touch(t + R, n + C * kPanel); });
    const std::byte* x = laid_ + LaidRows<A>::Begin(p_.T, k_, range_.t_begin + t * kTileRows);
    AddSteps<Rows, Count>(x + LaidRows<A>::kHeadBytes, w_ + i * w_bytes_);
    if (!ends_) {
      ForEach<Rows, Count>([&]<int R, int C>() { StoreTile<R * 2 + C>(At(sums_, t + R, n, C)); });
      return;
    }
    if (!A::kScaled && is_last_ && !adds_ && rows_ >= (t + Rows) * kTileRows &&
        range_.n_end >= n + Count * kPanel) {
      ForEach<Rows, Count>([&]<int R, int C>() {
        StoreTile<R * 2 + C>(YAt(t + R, n + C * kPanel), p_.y_stride * int64_t{sizeof(float)});
      });
      return;
    }
    constexpr int64_t kTileFloats = kTileBytes / sizeof(float);
    ForEach<Rows, Count>(
        [&]<int R, int C>() { StoreTile<R * 2 + C>(finished_ + (R * 2 + C) * kTileFloats); });
    ForEach<Rows, Count>([&]<int R, int C>() {
      const auto* scales = reinterpret_cast<const float*>(x + R * LaidRows<A>::kBytes);
      Finish(finished_ + (R * 2 + C) * kTileFloats, scales, panel_ + (i + C) * panel_bytes_, t + R,
             n + C * kPanel);
    });
  }

  /// Tiles 0 to 3 are sums.
  template <int Rows, int Count>
  [[gnu::always_inline]] void AddSteps(const std::byte* x, const std::byte* w) {
    const int64_t w_bytes = w_bytes_;
    const int64_t steps = steps_;
    for (int64_t step = 0; step < steps; ++step, w += kTileBytes) {
      if constexpr (Rows == 1) {
        if (step % kPageSteps == 0) FetchPages<Count>(w, step);
      } else {
        FetchLines();
      }
      if constexpr (Rows == 1) {
        LoadTile<5>(x);
        if constexpr (A::kTerms == 3) {
          LoadTile<6>(x + kTileBytes);
          LoadTile<7>(x + 2 * kTileBytes);
        }
        ForEach<1, Count>([&]<int R, int C>() {
          LoadTile<4>(w + C * w_bytes);
          A::template Add<C, 5, 4>();
          if constexpr (A::kTerms == 3) {
            A::template Add<C, 6, 4>();
            A::template Add<C, 7, 4>();
          }
        });
      } else {
        LoadTile<4>(w);
        if constexpr (Count == 2) LoadTile<5>(w + w_bytes);
        for (int term = 0; term < A::kTerms; ++term) {
          LoadTile<6>(x + term * kTileBytes);
          A::template Add<0, 6, 4>();
          if constexpr (Count == 2) A::template Add<1, 6, 5>();
          LoadTile<7>(x + term * kTileBytes + LaidRows<A>::kBytes);
          A::template Add<2, 7, 4>();
          if constexpr (Count == 2) A::template Add<3, 7, 5>();
        }
      }
      x += LaidRows<A>::kStepBytes;
    }
  }

  /// Has the processor begin to fetch what each panel has a page on, or the next one at its
  /// beginning: it goes on by itself, but never beyond a page.
  template <int Count>
  [[gnu::always_inline]] void FetchPages(const std::byte* w, int64_t step) const {
    const bool is_last = step + kPageSteps >= steps_;
    const int64_t ahead = is_last ? Count * w_bytes_ - step * kTileBytes : kPageSteps * kTileBytes;
    for (int i = 0; i < Count; ++i) {
      const std::byte* from = w + i * w_bytes_ + ahead;
      for (int line = 0; line < 4; ++line) __builtin_prefetch(from + line * kTileRowBytes, 0, 2);
    }
  }

  [[gnu::always_inline]] void FetchLines() {
    if (ahead_ == nullptr) return;
    for (int64_t i = 0; i < ahead_lines_; ++i, ahead_ += kTileRowBytes) {
      __builtin_prefetch(ahead_, 0, 2);
    }
  }

  /// Calls f<row, column>() for tiles of sums.
  template <int Rows, int Count, class F>
  [[gnu::always_inline]] static void ForEach(F f) {
    f.template operator()<0, 0>();
    if constexpr (Count > 1) f.template operator()<0, 1>();
    if constexpr (Count > 2) {
      f.template operator()<0, 2>();
      f.template operator()<0, 3>();
    }
    if constexpr (Rows > 1) {
      f.template operator()<1, 0>();
      if constexpr (Count > 1) f.template operator()<1, 1>();
    }
  }

  float* YAt(int64_t t, int64_t n) const {
    return static_cast<float*>(p_.y) + (range_.t_begin + t * kTileRows) * p_.y_stride + n;
  }

  /// A tile of `sums`, of the panel so many behind column n.
  std::byte* At(std::byte* sums, int64_t t, int64_t n, int64_t panel) const {
    return sums + (((n - first_) / kPanel + panel) * tiles_ + t) * tile_bytes_;
  }

  /// Has the lines of y fetched that Finish writes.
  void Touch(int64_t t, int64_t n) const {
    const int64_t left = rows_ - t * kTileRows;
    const int64_t rows = left < kTileRows ? left : kTileRows;
    const float* y = YAt(t, n);
    for (int64_t r = 0; r < rows; ++r, y += p_.y_stride) __builtin_prefetch(y, 1);
  }

  /// A tile of sums, by their scales, to the totals or with them to y.
  void Finish(const float* sums, const float* scales, const std::byte* panel, int64_t t,
              int64_t n) const {
    const int64_t t_begin = t * kTileRows;
    const int64_t rows = rows_ - t_begin < kTileRows ? rows_ - t_begin : kTileRows;
    auto* total = reinterpret_cast<float*>(At(totals_, t, n, 0));
    float* y = YAt(t, n);
    for (int64_t r = 0; r < rows; ++r, total += kPanel, y += p_.y_stride) {
      Vec value = A::Value(sums + r * kPanel, scales[r], panel);
      if (adds_) value = Vec::Load(total) + value;
      if (is_last_) {
        StoreUpTo(value, y, range_.n_end - n);
      } else {
        value.Store(total);
      }
    }
  }

  const ops::LinearParams& p_;
  const LinearRange range_;
  const int64_t rows_;
  const int64_t tiles_;       ///< Of rows.
  const int64_t tile_bytes_;  ///< Of one of sums.
  const std::byte* const laid_;
  float* const finished_;    ///< Four tiles on their way to y.
  std::byte* const packed_;  ///< Four panels, where weights are not packed.
  std::byte* const sums_;    ///< [panel of kColumns][tile of rows]: of kSumBlocks blocks
  std::byte* totals_;        ///< The same, of all before.
  int64_t first_ = 0;        ///< Of the columns under way.
  int64_t k_ = 0;            ///< Of the block of K under way.
  int64_t depth_ = 0;
  int64_t steps_ = 0;
  bool is_last_ = false;
  bool begins_ = false;  ///< Whether sums begin in this block, whether they end in it,
  bool ends_ = false;
  bool adds_ = false;                 ///< and whether there are totals of others.
  const std::byte* panel_ = nullptr;  ///< The first of those under way, as packed.
  int64_t panel_bytes_ = 0;
  const std::byte* w_ = nullptr;  ///< Its tiles.
  int64_t w_bytes_ = 0;           ///< To those of the next panel.
  const std::byte* ahead_ = nullptr;
  int64_t ahead_lines_ = 0;  ///< To be fetched in a step.
};

/// y = x w^T by tiles.
struct TileLinear {
  /// Returns f<A>(), or otherwise() where tiles are not used: for weights of more bits than
  /// bfloat16, and for those of int8 by x as it is, which it would take as long to widen as to read
  /// them twice.
  template <class F, class G>
  static auto WithOperands(const ops::LinearParams& p, F f, G otherwise) {
    switch (p.w_packing) {
      case ops::Packing::kW16A16: return f.template operator()<SixteenBits>();
      case ops::Packing::kW8A8: return f.template operator()<EightBits>();
      case ops::Packing::kInt8: break;
      case ops::Packing::kNone:
      case ops::Packing::kExact:
        if (p.w_dtype == DType::kBFloat16) return f.template operator()<Exact>();
    }
    return otherwise();
  }

  static int64_t LaidBytes(const ops::LinearParams& p) {
    return WithOperands(
        p, [&]<class A>() { return LaidRows<A>::Bytes(p.T, p.K); },
        [&] { return Linear<Vec>::LaidBytes(p); });
  }

  static void LayRows(const ops::LinearParams& p, int64_t t_begin, int64_t t_end, std::byte* laid) {
    WithOperands(
        p,
        [&]<class A>() {
          for (int64_t t = t_begin; t < t_end; ++t) LaidRows<A>::Lay(p, t, laid);
        },
        [&] { Linear<Vec>::LayRows(p, t_begin, t_end, laid); });
  }

  static int64_t ScratchBytes(const ops::LinearParams& p, int64_t rows, int64_t columns) {
    return WithOperands(
        p, [&]<class A>() { return Product<A>::ScratchBytes(rows, columns); },
        [&] { return Linear<Vec>::ScratchBytes(p); });
  }

  static void Run(const ops::LinearParams& p, const LinearRange& range, const std::byte* laid,
                  std::byte* scratch) {
    WithOperands(
        p,
        [&]<class A>() {
          Product<A>(p, range, laid, scratch).Multiply();
          if (p.bias != nullptr) AddBias(p, range);
        },
        [&] { Linear<Vec>::Run(p, range, laid, scratch); });
  }

  static void AddBias(const ops::LinearParams& p, const LinearRange& range) {
    WithType<Vec>(p.w_dtype, [&]<class W>() {
      Linear<Vec>::AddBias(p, range, static_cast<const W*>(p.bias));
    });
  }

  static void Pack(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end) {
    WithOperands(
        {.w_dtype = p.dtype, .w_packing = p.packing},
        [&]<class A>() {
          Panels<Vec>::template PackRounded<typename A::Weight, A::kJoined, 0, A::kStep>(p, n_begin,
                                                                                         n_end);
        },
        [&] { Panels<Vec>::Pack(p, n_begin, n_end); });
  }

  static void UnpackRow(const ops::EmbeddingParams& p, int64_t n, float* row) {
    WithOperands(
        {.w_dtype = p.table_dtype, .w_packing = p.table_packing},
        [&]<class A>() {
          Panels<Vec>::template UnpackRowOf<typename A::Weight, A::kJoined, A::kStep>(p, n, row);
        },
        [&] { Panels<Vec>::UnpackRow(p, n, row); });
  }
};

}  // namespace baton::kernels::cpu::amx
