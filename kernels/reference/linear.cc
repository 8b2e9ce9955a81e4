#include "reference.h"

namespace baton::kernels::reference {

void Linear(const ops::LinearParams& p, device::Stream&) {
  for (int64_t t = 0; t < p.T; ++t) {
    for (int64_t n = 0; n < p.N; ++n) {
      double sum = p.bias != nullptr ? LoadAt(p.bias, p.w_dtype, n) : 0;
      for (int64_t k = 0; k < p.K; ++k) {
        sum +=
            LoadAt(p.x, p.x_dtype, t * p.x_stride + k) * LoadAt(p.w, p.w_dtype, n * p.w_row() + k);
      }
      StoreAt(p.y, p.y_dtype, t * p.y_stride + n, static_cast<float>(sum));
    }
  }
}

}  // namespace baton::kernels::reference
