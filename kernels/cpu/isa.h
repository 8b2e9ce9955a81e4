#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/ops.h"

namespace baton::kernels::cpu {

/// Positions of one attention tile, aligned to absolute position.
inline constexpr int64_t kTilePositions = 32;
/// Elements that BlockMax and ExpSum take together.
inline constexpr int64_t kMaxBlock = 64;
inline constexpr int64_t kSumBlock = 1024;
/// Columns of the linear operation's panels: y[t][n] with n / kPanel the same lie in one vector.
inline constexpr int64_t kPanel = 16;
/// Elements of K that are summed by themselves; such sums are added in order.
inline constexpr int64_t kBlockK = 384;
/// From one row of a block of x to the next: not a power of two, as lines would fall on each other.
inline constexpr int64_t kBlockStride = kBlockK + 16;
/// Most rows of y that are made together: their block of x stays in the second-level cache.
inline constexpr int64_t kRowBlock = 192;

/// Part of y: rows [t_begin, t_end), and columns [n_begin, n_end) from a multiple of kPanel on.
struct LinearRange {
  int64_t t_begin = 0;
  int64_t t_end = 0;
  int64_t n_begin = 0;
  int64_t n_end = 0;
};

/// Floats of scratch that Isa::linear needs for so many rows.
constexpr int64_t LinearScratch(int64_t rows) { return rows * kBlockStride + kPanel * kBlockK; }

/// Consecutive query tokens of one sequence for one KV head.
struct AttentionUnit {
  int32_t s = 0;
  int32_t g = 0;
  int64_t first_row = 0;       ///< Row of q and y.
  int64_t first_position = 0;  ///< Its position in the sequence.
  int32_t tokens = 0;
};

/// What one thread does on one range of an operation, for one instruction set. The files that
/// implement it are compiled for that set: they define no symbol outside their own namespace and
/// use no inline function of other headers, lest the linker keep their copy of it for all.
struct Isa {
  const char* name;

  /// `scratch`: LinearScratch() floats for the rows of the range, aligned to 64 bytes.
  void (*linear)(const ops::LinearParams& p, const LinearRange& range, float* scratch);
  /// Of packings that round x: `rounded` holds p.x, which round_rows() wrote.
  void (*linear_rounded)(const ops::LinearParams& p, const LinearRange& range,
                         const std::byte* rounded);
  /// Rounds rows [t_begin, t_end) of p.x: into blocks of kBlockK along K, in each all T rows.
  void (*round_rows)(const ops::LinearParams& p, int64_t t_begin, int64_t t_end,
                     std::byte* rounded);
  /// Bytes of a row of such a block.
  int64_t (*rounded_row_bytes)(ops::Packing packing);
  /// Columns [n_begin, n_end) from a multiple of kPanel on.
  void (*pack_linear)(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end);
  /// `scratch`: AttentionScratch(p, unit.tokens) floats.
  void (*attend)(const ops::PagedAttentionParams& p, const AttentionUnit& unit, float* scratch);
  void (*rms_norm)(const ops::RmsNormParams& p, int64_t t_begin, int64_t t_end);
  void (*silu_mul)(const ops::GatedActivationParams& p, int64_t t_begin, int64_t t_end);
  void (*gelu_mul)(const ops::GatedActivationParams& p, int64_t t_begin, int64_t t_end);
  /// The rows [t_begin, t_end) of p.x.
  void (*soft_cap)(const ops::SoftCapParams& p, int64_t t_begin, int64_t t_end);
  /// x *= scale.
  void (*scale)(float* x, int64_t n, float scale);
  /// Rotates one head of R elements in place; `cosine` and `sine` hold R / 2 each.
  void (*rotate)(float* head, const float* cosine, const float* sine, int64_t R);
  void (*widen)(const void* from, DType dtype, float* to, int64_t n);
  /// Rounds to nearest, ties to even.
  void (*narrow)(const float* from, void* to, DType dtype, int64_t n);

  /// Rounds n elements to int8 by their scale, which comes to lie behind them (KvRowBytes).
  void (*round_row)(const float* from, std::byte* to, int64_t n);

  /// Replaces what is not finite by -infinity.
  void (*keep_finite)(float* x, int64_t n);
  /// Replaces elements whose bit in `mask` is 0 by -infinity. Element 0 is the lowest bit of word
  /// 0.
  void (*keep_masked)(float* x, const uint32_t* mask, int64_t n);
  /// The largest value of each kMaxBlock elements.
  void (*block_max)(const float* x, int64_t n, float* largest);
  /// e[i] = exp((x[i] - shift) / temperature), and the sum of each kSumBlock of them. REQUIRES:
  /// x[i] <= shift < infinity. e may be x, or null when only the sums are wanted.
  void (*exp_sum)(const float* x, int64_t n, float shift, float temperature, float* e, float* sums);
};

/// Floats of scratch that Isa::attend needs.
int64_t AttentionScratch(const ops::PagedAttentionParams& p, int64_t tokens);

/// Whether this build has the instruction set and this host runs it.
bool RunsAvx2();
bool RunsAvx512();
bool RunsAvx512Vnni();
bool RunsAvx512Bf16();

/// REQUIRES of all but the first: the host runs that instruction set.
const Isa& PortableIsa();
const Isa& Avx2Isa();
const Isa& Avx512Isa();
const Isa& Avx512VnniIsa();
const Isa& Avx512Bf16Isa();

}  // namespace baton::kernels::cpu
