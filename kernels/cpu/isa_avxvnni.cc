#include "simd/make_isa.h"
#include "simd/vec_avx2.h"

namespace baton::kernels::cpu {

const Isa& AvxVnniIsa() {
  static constexpr Isa kIsa = MakeIsa<avxvnni::Vec>("avxvnni");
  return kIsa;
}

}  // namespace baton::kernels::cpu
