#include <cmath>

#include "reference.h"

namespace baton::kernels::reference {

void RmsNorm(const ops::RmsNormParams& p, device::Stream&) {
  for (int64_t t = 0; t < p.T; ++t) {
    const auto load = [&](int64_t e) -> double {
      return p.residual != nullptr ? p.residual[t * p.E + e]
                                   : LoadAt(p.x, p.activation, t * p.E + e);
    };
    double squares = 0;
    for (int64_t e = 0; e < p.E; ++e) {
      if (p.residual != nullptr && p.x != nullptr) {
        p.residual[t * p.E + e] += static_cast<float>(LoadAt(p.x, p.activation, t * p.E + e));
      }
      squares += load(e) * load(e);
    }
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(p.E) + p.eps);
    for (int64_t e = 0; e < p.E; ++e) {
      StoreAt(p.y, p.activation, t * p.E + e,
              static_cast<float>(load(e) * inverse * (p.w_offset + LoadAt(p.w, p.w_dtype, e))));
    }
  }
}

}  // namespace baton::kernels::reference
