#include "simd/make_isa.h"
#include "simd/vec_portable.h"

namespace baton::kernels::cpu {

const Isa& PortableIsa() {
  static constexpr Isa kIsa = MakeIsa<portable::Vec>("portable");
  return kIsa;
}

}  // namespace baton::kernels::cpu
