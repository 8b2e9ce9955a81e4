#include "simd/make_isa.h"
#include "simd/vec_avx2.h"

namespace baton::kernels::cpu {

const Isa& Avx2Isa() {
  static constexpr Isa kIsa = MakeIsa<avx2::Vec>("avx2");
  return kIsa;
}

}  // namespace baton::kernels::cpu
