#include <cmath>
#include <vector>

#include "reference.h"

namespace baton::kernels::reference {
namespace {

/// The angle is a float32 product, as in Hugging Face; the rotation is in double precision.
void Rotate(double* head, const ops::RopeKvWriteParams& p, int64_t position) {
  const int32_t half = p.R / 2;
  for (int32_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * p.inv_freq[i];
    const double c = std::cos(double{angle}) * p.attention_scale;
    const double s = std::sin(double{angle}) * p.attention_scale;
    const double a = head[i];
    const double b = head[i + half];
    head[i] = a * c - b * s;
    head[i + half] = b * c + a * s;
  }
}

/// The head that begins at element `row` of `x`.
std::vector<double> Rotated(const void* x, int64_t row, const ops::RopeKvWriteParams& p,
                            int64_t position) {
  std::vector<double> head;
  for (int32_t d = 0; d < p.kv.D; ++d) head.push_back(LoadAt(x, p.activation, row + d));
  Rotate(head.data(), p, position);
  return head;
}

float Float(const std::vector<double>& values, int32_t i) {
  return static_cast<float>(values[static_cast<size_t>(i)]);
}

}  // namespace

void RopeKvWrite(const ops::RopeKvWriteParams& p, device::Stream&) {
  for (int32_t s = 0; s < p.batch.S; ++s) {
    for (int32_t t = p.batch.query_begin[s]; t < p.batch.query_begin[s + 1]; ++t) {
      const int64_t position = FirstPosition(p.batch, s) + t - p.batch.query_begin[s];
      for (int32_t h = 0; h < p.H; ++h) {
        const int64_t row = t * p.q_stride + h * p.kv.D;
        const std::vector<double> q = Rotated(p.q, row, p, position);
        for (int32_t d = 0; d < p.kv.D; ++d) StoreAt(p.q, p.activation, row + d, Float(q, d));
      }
      for (int32_t g = 0; g < p.kv.G; ++g) {
        const int64_t row = t * p.kv_stride + g * p.kv.D;
        const std::vector<double> k = Rotated(p.k, row, p, position);
        std::vector<float> keys, values;
        for (int32_t d = 0; d < p.kv.D; ++d) {
          StoreAt(p.k, p.activation, row + d, Float(k, d));
          keys.push_back(Float(k, d));
          values.push_back(static_cast<float>(LoadAt(p.v, p.activation, row + d)));
        }
        StoreKv(KvAt(p.kv, p.batch, s, position, g, false), p.kv, keys);
        StoreKv(KvAt(p.kv, p.batch, s, position, g, true), p.kv, values);
      }
    }
  }
}

}  // namespace baton::kernels::reference
