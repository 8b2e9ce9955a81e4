#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::ops {

/// How the weights of a product lie.
enum class Packing : uint8_t {
  /// Row-major, straight from the checkpoint.
  kNone,
  /// As Ops::pack_linear wrote them, none of them changed.
  kExact,
  /// The same, rounded to eight bits: of each row of w each piece of up to 384 elements has the
  /// scale by which its largest one becomes 127.
  kInt8,
  /// So are the weights, and x is rounded in the same way in every call: of each row each such
  /// piece has its own scale. Products of a piece are summed in whole numbers.
  kW8A8,
  /// Weights and, in every call, x are rounded to bfloat16, to nearest, ties to even; weights that
  /// have this type are not changed.
  kW16A16,
};

/// Whether weights of this type have all their bits when they lie so.
constexpr bool KeepsWeights(Packing packing, DType dtype) {
  return packing == Packing::kNone || packing == Packing::kExact ||
         (packing == Packing::kW16A16 && dtype == DType::kBFloat16);
}

/// y = x w^T + bias.
/// Shapes: x [T, K], w [N, K], bias [N] or null, y [T, N]; row strides in elements; that of w is K
/// where it is 0, and always on CUDA devices.
/// Types: x and y as they say; w float32, float16 or bfloat16; bias of w's type.
/// Layout: row-major, with no alignment beyond an element's; or w as Ops::pack_linear of the same
/// table wrote it, which is faster. The bits of y are the same, but where packing or x is rounded;
/// with kW8A8, and with kW16A16 where no sum is below the smallest normal float32, they are those
/// of every instruction set; with kW16A16 not of AMX.
/// Errors: none; shapes are checked (BATON_CHECK) once per call. T = 0 is a no-op.
/// Stream: enqueues only; allocates nothing on a device; graph-safe.
/// Cost: 2 T N K FLOPs, N K weights read once per call for small T.
/// Accuracy: each y[t][n] is one float32 sum over K in an order that depends on K only, so that a
/// row's bits do not depend on T, on its neighbours or on the number of threads; on CUDA devices on
/// N, too, and only while they are asked to be deterministic (PrepareCudaLinearAndWait).
/// Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, on the
/// CPU; kernels/cuda/README.md, "Products", on CUDA devices.
struct LinearParams {
  const void* x = nullptr;
  const void* w = nullptr;
  const void* bias = nullptr;
  void* y = nullptr;
  DType x_dtype = DType::kFloat32;
  DType w_dtype = DType::kBFloat16;
  DType y_dtype = DType::kFloat32;
  int64_t T = 0;
  int64_t N = 0;
  int64_t K = 0;
  int64_t x_stride = 0;
  /// More than K where w is some columns of a wider matrix; of no meaning where it is packed.
  int64_t w_stride = 0;
  int64_t y_stride = 0;
  Packing w_packing = Packing::kNone;

  int64_t w_row() const { return w_stride == 0 ? K : w_stride; }
};

/// Lays the weights of a product as its device reads them fastest.
/// Shapes: w as in LinearParams; `packed` has Ops::packed_bytes() bytes.
/// Types: w float32, float16 or bfloat16; what is packed, as Packing says.
/// Layout: `packed` is aligned to 64 bytes; what lies in it is known to the table that wrote it and
/// to nobody else.
/// Errors: none. Stream: enqueues only. Cost: w is read and written once.
/// Accuracy: as Packing says. Source: see LinearParams.
struct PackLinearParams {
  const void* w = nullptr;
  std::byte* packed = nullptr;
  DType dtype = DType::kBFloat16;
  Packing packing = Packing::kExact;
  int64_t N = 0;
  int64_t K = 0;
  int64_t w_stride = 0;

  int64_t w_row() const { return w_stride == 0 ? K : w_stride; }
};

}  // namespace baton::ops
