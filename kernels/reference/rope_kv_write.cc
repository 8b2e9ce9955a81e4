#include <cmath>

#include "reference.h"

namespace baton::kernels::reference {
namespace {

/// The angle is a float32 product, as in Hugging Face; the rotation is in double precision.
void Rotate(float* head, const ops::RopeKvWriteParams& p, int64_t position) {
  const int32_t half = p.R / 2;
  for (int32_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * p.inv_freq[i];
    const double c = std::cos(double{angle}) * p.attention_scale;
    const double s = std::sin(double{angle}) * p.attention_scale;
    const double a = head[i];
    const double b = head[i + half];
    head[i] = static_cast<float>(a * c - b * s);
    head[i + half] = static_cast<float>(b * c + a * s);
  }
}

}  // namespace

void RopeKvWrite(const ops::RopeKvWriteParams& p, device::Stream&) {
  for (int32_t s = 0; s < p.batch.S; ++s) {
    for (int32_t t = p.batch.query_begin[s]; t < p.batch.query_begin[s + 1]; ++t) {
      const int64_t position = FirstPosition(p.batch, s) + t - p.batch.query_begin[s];
      for (int32_t h = 0; h < p.H; ++h) Rotate(p.q + t * p.q_stride + h * p.kv.D, p, position);
      for (int32_t g = 0; g < p.kv.G; ++g) {
        float* k = p.k + t * p.kv_stride + g * p.kv.D;
        const float* v = p.v + t * p.kv_stride + g * p.kv.D;
        Rotate(k, p, position);
        for (int32_t d = 0; d < p.kv.D; ++d) {
          StoreAt(KvAt(p.kv, p.batch, s, position, g, false), p.kv.dtype, d, k[d]);
          StoreAt(KvAt(p.kv, p.batch, s, position, g, true), p.kv.dtype, d, v[d]);
        }
      }
    }
  }
}

}  // namespace baton::kernels::reference
