#pragma once

// What a kernel's source finds where nvcc would have given it: included before its first line.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "simt/machine.h"

#undef __global__
#undef __device__
#undef __host__
#undef __constant__
#undef __shared__
#undef __managed__
#undef __grid_constant__
#undef __launch_bounds__
#undef __forceinline__
#undef __noinline__
#undef __align__
#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __noinline__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ \
  static_assert(false, "shared memory comes from StaticShared<T>() or DynamicShared()");
#define __managed__ static_assert(false, "no managed memory");

// Of the thread that runs; set at every switch.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

#include "simt/atomics.h"
#include "simt/intrinsics.h"
#include "simt/warp.h"
