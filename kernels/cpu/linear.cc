#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Multiply-adds worth another thread: some 10 us of one core.
constexpr int64_t kGrainMultiplyAdds = 1 << 17;
/// Ranges of N begin at multiples of so many panels, as few rows take so many at once.
constexpr int64_t kGrainPanels = 4;
/// Parts of y per thread, so that a thread that is delayed does not hold up the others.
constexpr int64_t kPartsPerThread = 8;

/// How y is divided into parts: by rows where there are many, and by columns.
struct Division {
  Division(const Isa& isa, const ops::LinearParams& p, int threads) : T(p.T), N(p.N) {
    const int64_t blocks = CeilDiv(T, isa.row_block);
    rows = blocks == 1 ? T : CeilDiv(CeilDiv(T, blocks), isa.tile_rows) * isa.tile_rows;
    row_parts = CeilDiv(T, rows);
    const int64_t grain = kGrainPanels * kPanel;
    const int64_t least = CeilDiv(kGrainMultiplyAdds, rows * p.K * grain) * grain;
    const int64_t wanted = threads == 1 ? 1 : CeilDiv(threads * kPartsPerThread, row_parts);
    columns = std::max(least, CeilDiv(CeilDiv(N, wanted), grain) * grain);
    column_parts = CeilDiv(N, columns);
  }

  int64_t parts() const { return row_parts * column_parts; }
  LinearRange Part(int64_t i) const {
    const int64_t t = i / column_parts * rows;
    const int64_t n = i % column_parts * columns;
    return {.t_begin = t,
            .t_end = std::min(t + rows, T),
            .n_begin = n,
            .n_end = std::min(n + columns, N)};
  }

  int64_t T, N;
  int64_t rows, columns;  ///< Of a part.
  int64_t row_parts, column_parts;
};

}  // namespace

void Linear(const Isa& isa, const ops::LinearParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.N > 0 && p.K > 0 && p.x_stride >= p.K && p.w_row() >= p.K &&
              p.y_stride >= p.N)
      << "T " << p.T << ", N " << p.N << ", K " << p.K << ", strides " << p.x_stride << ", "
      << p.w_row() << ", " << p.y_stride;
  BATON_CHECK(p.x != nullptr && p.w != nullptr && p.y != nullptr);
  BATON_CHECK(p.x_dtype == DType::kFloat32 && p.y_dtype == DType::kFloat32);
  const Division division(isa, p, stream.threads());
  Scratch laid(isa.laid_bytes(p));
  stream.ParallelFor(p.T, GrainOf(p.K), [&](int64_t begin, int64_t end) {
    isa.lay_rows(p, begin, end, laid.bytes());
  });
  stream.ParallelFor(division.parts(), 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(isa.linear_scratch(p, division.rows, division.columns));
    for (int64_t i = begin; i < end; ++i) {
      isa.linear(p, division.Part(i), laid.bytes(), scratch.bytes());
    }
  });
}

size_t PackedBytes(const ops::PackLinearParams& p) {
  const auto panels = static_cast<size_t>(CeilDiv(p.N, kPanel));
  // Up to 64 rows of a panel make a whole, as tiles have them.
  const auto elements = static_cast<size_t>(CeilDiv(p.K, int64_t{64}) * 64 * kPanel);
  if (p.packing == ops::Packing::kExact) return panels * elements * DTypeBytes(p.dtype);
  if (p.packing == ops::Packing::kW16A16) return panels * elements * sizeof(BFloat16);
  const auto scales = static_cast<size_t>(CeilDiv(p.K, kBlockK) * kPanel);
  return panels * (elements + scales * sizeof(float));
}

void PackLinear(const Isa& isa, const ops::PackLinearParams& p, device::HostStream& stream) {
  BATON_CHECK(p.N > 0 && p.K > 0 && p.w_row() >= p.K && p.w != nullptr && p.packed != nullptr);
  BATON_CHECK(p.packing != ops::Packing::kNone);
  const int64_t panels = CeilDiv(p.N, kPanel);
  stream.ParallelFor(panels, GrainOf(kPanel * p.K), [&](int64_t begin, int64_t end) {
    isa.pack_linear(p, begin * kPanel, std::min(end * kPanel, p.N));
  });
}

}  // namespace baton::kernels::cpu
