#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isa.h"

namespace baton::kernels::cpu {
namespace {

/// Linux gives a process the state of tiles when it asks for it; all its threads have it then.
bool AskForTiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

/// The processor's extended features, which compilers do not all have names for; zeros where there
/// is no such leaf.
Registers Features(unsigned leaf) {
  Registers all;
  if (__get_cpuid_count(7, leaf, &all.a, &all.b, &all.c, &all.d) == 0) return {};
  return all;
}

/// Tiles, and their products of bfloat16 and of int8.
bool HasTiles() {
  constexpr unsigned kBits = 1u << 22 | 1u << 24 | 1u << 25;
  return (Features(0).d & kBits) == kBits;
}

}  // namespace

bool RunsAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool RunsAvxVnni() { return (Features(1).a & 1u << 4) != 0 && RunsAvx2(); }

bool RunsAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && RunsAvx2();
}

bool RunsAvx512Vnni() { return __builtin_cpu_supports("avx512vnni") && RunsAvx512(); }

bool RunsAvx512Bf16() { return __builtin_cpu_supports("avx512bf16") && RunsAvx512Vnni(); }

bool RunsAmx() {
  static const bool runs = RunsAvx512Bf16() && HasTiles() && AskForTiles();
  return runs;
}

}  // namespace baton::kernels::cpu
