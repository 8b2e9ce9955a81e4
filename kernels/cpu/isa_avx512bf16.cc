#include "simd/make_isa.h"
#include "simd/vec_avx512.h"

namespace baton::kernels::cpu {

const Isa& Avx512Bf16Isa() {
  static constexpr Isa kIsa = MakeIsa<avx512bf16::Vec>("avx512bf16");
  return kIsa;
}

}  // namespace baton::kernels::cpu
