#include "simd/make_isa.h"
#include "simd/vec_avx512.h"

namespace baton::kernels::cpu {

const Isa& Avx512VnniIsa() {
  static constexpr Isa kIsa = MakeIsa<avx512vnni::Vec>("avx512vnni");
  return kIsa;
}

}  // namespace baton::kernels::cpu
