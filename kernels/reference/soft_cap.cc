#include <cmath>

#include "reference.h"

namespace baton::kernels::reference {

void SoftCap(const ops::SoftCapParams& p, device::Stream&) {
  for (int64_t i = 0; i < p.T * p.F; ++i) {
    p.x[i] = static_cast<float>(p.cap * std::tanh(double{p.x[i]} / p.cap));
  }
}

}  // namespace baton::kernels::reference
