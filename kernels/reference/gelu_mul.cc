#include <cmath>
#include <numbers>

#include "reference.h"

namespace baton::kernels::reference {

void GeluMul(const ops::GatedActivationParams& p, device::Stream&) {
  const double slope = std::sqrt(2 * std::numbers::inv_pi);
  for (int64_t t = 0; t < p.T; ++t) {
    for (int64_t f = 0; f < p.F; ++f) {
      const double gate = LoadAt(p.gate, p.activation, t * p.in_stride + f);
      const double up = LoadAt(p.up, p.activation, t * p.in_stride + f);
      const double bend = std::tanh(slope * (gate + 0.044715 * gate * gate * gate));
      StoreAt(p.y, p.activation, t * p.y_stride + f,
              static_cast<float>(gate / 2 * (1 + bend) * up));
    }
  }
}

}  // namespace baton::kernels::reference
