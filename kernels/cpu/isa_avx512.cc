#include "simd/make_isa.h"
#include "simd/vec_avx512.h"

namespace baton::kernels::cpu {

const Isa& Avx512Isa() {
  static constexpr Isa kIsa = MakeIsa<avx512::Vec>("avx512");
  return kIsa;
}

}  // namespace baton::kernels::cpu
