#pragma once

#include <cstdint>

#include "baton/base/dtype.h"
#include "baton/device/stream.h"

namespace baton::kernels::cuda {

/// c = a b^T.
/// Shapes: a [M, K], b [N, K], c [M, N]; row strides in elements. M = 0 is a no-op.
/// Types: a, b bfloat16; c bfloat16 or float32.
/// Layout: a and b aligned to 16 bytes, their strides multiples of 8.
/// Errors: none; the contract is checked (BATON_CHECK) once per call.
/// Stream: enqueues only, allocates nothing; graph-safe.
/// Cost: 2 M N K FLOPs; bound by the tensor cores from M of about 300.
/// Accuracy: each c[m][n] is one float32 sum over K in an order that depends on K only, so that a
/// row's bits do not depend on M or on its neighbours.
/// Source: PTX ISA, "wgmma" and "cp.async.bulk.tensor"; the roles are those of CUTLASS's
/// warp-specialised persistent kernels.
struct WgmmaGemmParams {
  const void* a = nullptr;
  const void* b = nullptr;
  void* c = nullptr;
  DType c_dtype = DType::kBFloat16;
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
  int64_t a_stride = 0;
  int64_t b_stride = 0;
  int64_t c_stride = 0;
};

/// The proof of the descriptors, swizzles and pipeline that attention's prefill is made of, a rival
/// for cuBLASLt in the benchmark, and what computes products without it: see OwnLinear.
void WgmmaGemm(const WgmmaGemmParams& p, device::Stream& stream);

}  // namespace baton::kernels::cuda
