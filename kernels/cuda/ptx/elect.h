#pragma once

#include <cstdint>

namespace baton::kernels::cuda::ptx {

/// True in one lane of the warp, always the same. All lanes call it. Source: PTX ISA, "elect.sync".
__device__ __forceinline__ bool ElectLane() {
  uint32_t elected = 0;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "elect.sync _|p, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}\n"
      : "=r"(elected));
  return elected != 0;
}

}  // namespace baton::kernels::cuda::ptx
