#include <cstdint>

#include <cuda.h>

/// One instruction of each kind that the gate looks for, and an array in local memory. Never run.
__global__ void __launch_bounds__(128, 1)
    MadeOfEverything(float* out, const __grid_constant__ CUtensorMap map, int n,
                     const unsigned* in) {
  extern __shared__ __align__(1024) unsigned char shared[];
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" : : : "memory");
  asm volatile("setmaxnreg.inc.sync.aligned.u32 248;");
  const auto tile = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%3}], [%2];" ::"r"(tile),
      "l"(&map), "r"(tile + 8192), "r"(0)
      : "memory");
  float d[4] = {0, 0, 0, 0};
  asm volatile("wgmma.fence.sync.aligned;");
  asm volatile(
      "{.reg .pred p; setp.ne.b32 p, 1, 0;"
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, p, 1, 1, 0, "
      "0;}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "l"(uint64_t{tile >> 4}), "l"(uint64_t{tile >> 4}));
  asm volatile("wgmma.commit_group.sync.aligned;");
  asm volatile("wgmma.wait_group.sync.aligned 1;");
  float e = 0;
  asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(static_cast<float>(n)));
  if (e < 0) __nanosleep(1);
  asm volatile("wgmma.wait_group.sync.aligned 0;");
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(tile), "l"(in));
  asm volatile("cp.async.wait_all;");
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%4, %5}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(in[0]), "r"(in[1]), "r"(in[2]), "r"(in[3]));
  float values[64];
  for (int i = 0; i < n; ++i) values[(i * 7 + n) & 63] = d[0];
  out[threadIdx.x] = d[1] + d[2] + d[3] + values[n & 63];
}
