#include <cmath>

#include "reference.h"

namespace baton::kernels::reference {

void RmsNorm(const ops::RmsNormParams& p, device::Stream&) {
  for (int64_t t = 0; t < p.T; ++t) {
    float* residual = p.residual + t * p.E;
    double squares = 0;
    for (int64_t e = 0; e < p.E; ++e) {
      if (p.delta != nullptr) residual[e] += p.delta[t * p.E + e];
      squares += double{residual[e]} * residual[e];
    }
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(p.E) + p.eps);
    for (int64_t e = 0; e < p.E; ++e) {
      p.y[t * p.E + e] =
          static_cast<float>(residual[e] * inverse * (p.w_offset + LoadAt(p.w, p.w_dtype, e)));
    }
  }
}

}  // namespace baton::kernels::reference
