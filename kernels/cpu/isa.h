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

/// Part of y: rows [t_begin, t_end), and columns [n_begin, n_end) from a multiple of kPanel on.
struct LinearRange {
  int64_t t_begin = 0;
  int64_t t_end = 0;
  int64_t n_begin = 0;
  int64_t n_end = 0;
};

/// Consecutive query tokens of one sequence for one KV head, or several.
struct AttentionUnit {
  int32_t s = 0;
  int32_t g = 0;
  int64_t first_row = 0;       ///< Row of q and y.
  int64_t first_position = 0;  ///< Its position in the sequence.
  int32_t tokens = 0;
  int32_t heads = 1;  ///< KV heads, from g on.
};

/// What one thread does on one range of an operation, for one instruction set. The files that
/// implement it are compiled for that set: they define no symbol outside their own namespace and
/// use no inline function of other headers, lest the linker keep their copy of it for all.
struct Isa {
  const char* name;

  /// Rows of whole tiles of `linear`, and most that it makes together, a multiple of them: their
  /// block of x stays in the second-level cache.
  int64_t tile_rows = 12;
  int64_t row_block = 192;
  /// Bytes of p.x as lay_rows() lays it for `linear`.
  int64_t (*laid_bytes)(const ops::LinearParams& p);
  /// Lays rows [t_begin, t_end) of p.x, as they are, rounded or split into terms.
  void (*lay_rows)(const ops::LinearParams& p, int64_t t_begin, int64_t t_end, std::byte* laid);
  /// Bytes of scratch that `linear` needs for ranges of so many rows and columns.
  int64_t (*linear_scratch)(const ops::LinearParams& p, int64_t rows, int64_t columns);
  /// A range begins at a multiple of tile_rows. `laid`: all of p.x. `scratch` is aligned to
  /// 64 bytes.
  void (*linear)(const ops::LinearParams& p, const LinearRange& range, const std::byte* laid,
                 std::byte* scratch);
  /// Columns [n_begin, n_end) from a multiple of kPanel on.
  void (*pack_linear)(const ops::PackLinearParams& p, int64_t n_begin, int64_t n_end);
  /// Row n of a packed table, widened, to `row` [E].
  void (*unpack_row)(const ops::EmbeddingParams& p, int64_t n, float* row);
  /// Query rows (tokens times heads of a group) of a unit, which share the reading of KV.
  int64_t unit_rows = 48;
  /// Units of at most so many rows are of several heads, whose work is under way at once and whose
  /// KV lies side by side; 0: none are.
  int64_t joined_rows = 0;
  /// Bytes of scratch that `attend` needs for units of at most so many tokens and heads.
  int64_t (*attention_scratch)(const ops::PagedAttentionParams& p, const AttentionUnit& largest);
  /// `scratch` is aligned to 64 bytes.
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

/// Whether this build has the instruction set and this host runs it.
bool RunsAvx2();
bool RunsAvxVnni();
bool RunsAvx512();
bool RunsAvx512Vnni();
bool RunsAvx512Bf16();
/// Asks the kernel for the right to use tiles, once for the process.
bool RunsAmx();

/// REQUIRES of all but the first: the host runs that instruction set.
const Isa& PortableIsa();
const Isa& Avx2Isa();
const Isa& AvxVnniIsa();
const Isa& Avx512Isa();
const Isa& Avx512VnniIsa();
const Isa& Avx512Bf16Isa();
const Isa& AmxIsa();

}  // namespace baton::kernels::cpu
