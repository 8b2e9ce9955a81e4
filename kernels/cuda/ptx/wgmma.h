#pragma once

#include <cstdint>

#include "ptx/matrix_descriptor.h"

/// Products of 64 rows on a warpgroup's tensor cores, bfloat16 into float32: D += A B, D [64, N], A
/// [64, 16], B [16, N], issued by four warps (the first a multiple of four), of which warp w has
/// rows 16 w to 16 w + 15. Of a thread, with r = lane / 4 and c = lane % 4: d[4 j], d[4 j + 1] are
/// D[r][8 j + 2 c], and the next column; d[4 j + 2], d[4 j + 3] the same of row r + 8. a[0] is
/// A[r][2 c] and the next column; a[1] the same of row r + 8; a[2] and a[3] those with 8 added to
/// the column. Asynchronous: until a wait, neither d nor a register of A nor the shared tiles may
/// be touched. Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate
/// Instructions".
namespace baton::kernels::cuda::ptx {

/// Before the first product, and after registers of D or A were written by other instructions.
__device__ __forceinline__ void FenceWgmma() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/// What was issued since the last commit becomes a group.
__device__ __forceinline__ void CommitWgmma() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// Until at most the `kPending` last groups are under way.
template <int kPending>
__device__ __forceinline__ void WaitWgmma() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

/// Keeps the compiler from moving uses of these registers across this place, which it would: it
/// does not see what a wait is for.
template <int kCount>
__device__ __forceinline__ void PinRegisters(float (&values)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(values[i])::"memory");
}

// Operands 8 at a time.
#define BATON_F8(d, i)                                                                        \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define BATON_F32(d, i) BATON_F8(d, i), BATON_F8(d, i + 8), BATON_F8(d, i + 16), BATON_F8(d, i + 24)
#define BATON_F64(d, i) BATON_F32(d, i), BATON_F32(d, i + 32)
#define BATON_F128(d, i) BATON_F64(d, i), BATON_F64(d, i + 64)
#define BATON_R32                                                                         \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, " \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define BATON_R64                                                                         \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, " \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, " \
  "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, " \
  "%53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define BATON_R128                                                                        \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, " \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, " \
  "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, " \
  "%53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, " \
  "%70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, " \
  "%87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, "   \
  "%103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, "  \
  "%117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

/// D [64, N] with N = 64, 128 or 256. kAccumulate false: D = A B. kAcross: B's tile runs along N
/// (AcrossK), else along K (AlongK).
template <int kN>
struct Wgmma;

// An operand's number follows the accumulators': %kHalf is the first.
#define BATON_WGMMA(kN, kHalf, kP1, kP2, kP3, kP4, kP5, kP6, R, F)                                 \
  template <>                                                                                      \
  struct Wgmma<kN> {                                                                               \
    /* A and B from shared memory, A's tile along K. */                                            \
    template <bool kAcross, bool kAccumulate>                                                      \
    static __device__ __forceinline__ void FromShared(float (&d)[kHalf], MatrixDescriptor a,       \
                                                      MatrixDescriptor b) {                        \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #kP2                                       \
                   ", 0;\n"                                                                        \
                   "wgmma.mma_async.sync.aligned.m64n" #kN "k16.f32.bf16.bf16 {" R "}, %" #kHalf   \
                   ", %" #kP1 ", p, 1, 1, 0, %" #kP3 ";\n}\n"                                      \
                   : F(d, 0)                                                                       \
                   : "l"(a), "l"(b), "n"(kAccumulate ? 1 : 0), "n"(kAcross ? 1 : 0));              \
    }                                                                                              \
    /* A from registers. */                                                                        \
    template <bool kAcross, bool kAccumulate>                                                      \
    static __device__ __forceinline__ void FromRegisters(float (&d)[kHalf],                        \
                                                         const uint32_t (&a)[4],                   \
                                                         MatrixDescriptor b) {                     \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #kP5                                       \
                   ", 0;\n"                                                                        \
                   "wgmma.mma_async.sync.aligned.m64n" #kN "k16.f32.bf16.bf16 {" R "}, {%" #kHalf  \
                   ", %" #kP1 ", %" #kP2 ", %" #kP3 "}, %" #kP4 ", p, 1, 1, %" #kP6 ";\n}\n"       \
                   : F(d, 0)                                                                       \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(kAccumulate ? 1 : 0), \
                     "n"(kAcross ? 1 : 0));                                                        \
    }                                                                                              \
  };
BATON_WGMMA(64, 32, 33, 34, 35, 36, 37, 38, BATON_R32, BATON_F32)
BATON_WGMMA(128, 64, 65, 66, 67, 68, 69, 70, BATON_R64, BATON_F64)
BATON_WGMMA(256, 128, 129, 130, 131, 132, 133, 134, BATON_R128, BATON_F128)

#undef BATON_WGMMA
#undef BATON_R32
#undef BATON_R64
#undef BATON_R128
#undef BATON_F8
#undef BATON_F32
#undef BATON_F64
#undef BATON_F128

}  // namespace baton::kernels::cuda::ptx
