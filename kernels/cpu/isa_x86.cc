#include "isa.h"

namespace baton::kernels::cpu {

bool RunsAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool RunsAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && RunsAvx2();
}

bool RunsAvx512Vnni() { return __builtin_cpu_supports("avx512vnni") && RunsAvx512(); }

bool RunsAvx512Bf16() { return __builtin_cpu_supports("avx512bf16") && RunsAvx512Vnni(); }

}  // namespace baton::kernels::cpu
