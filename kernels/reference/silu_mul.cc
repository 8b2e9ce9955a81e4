#include <cmath>

#include "reference.h"

namespace baton::kernels::reference {

void SiluMul(const ops::GatedActivationParams& p, device::Stream&) {
  for (int64_t t = 0; t < p.T; ++t) {
    for (int64_t f = 0; f < p.F; ++f) {
      const double gate = LoadAt(p.gate, p.activation, t * p.in_stride + f);
      const double up = LoadAt(p.up, p.activation, t * p.in_stride + f);
      StoreAt(p.y, p.activation, t * p.y_stride + f,
              static_cast<float>(gate / (1.0 + std::exp(-gate)) * up));
    }
  }
}

}  // namespace baton::kernels::reference
