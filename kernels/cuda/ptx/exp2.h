#pragma once

namespace baton::kernels::cuda::ptx {

/// 2^x within two units of the last place, in one instruction: CUDA's exp2f adds some for results
/// below 2^-126, which are zero here. Source: PTX ISA, "ex2".
__device__ __forceinline__ float Exp2(float x) {
  float y = 0;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace baton::kernels::cuda::ptx
