#include <algorithm>
#include <cmath>
#include <vector>

#include "reference.h"

namespace baton::kernels::reference {
namespace {

/// One query head at `position` of sequence `s`, in two passes over the scores.
void AttendOne(const ops::PagedAttentionParams& p, int32_t s, int64_t position, int32_t g,
               int64_t q_row, int64_t y_row) {
  const int64_t first = p.window > 0 ? std::max<int64_t>(0, position - p.window + 1) : 0;
  std::vector<double> scores;
  for (int64_t j = first; j <= position; ++j) {
    const std::byte* k = KvAt(p.kv, p.batch, s, j, g, false);
    double dot = 0;
    for (int32_t d = 0; d < p.kv.D; ++d)
      dot += LoadAt(p.q, p.activation, q_row + d) * LoadKv(k, p.kv, d);
    const double score = dot * p.scale;
    scores.push_back(p.softcap > 0 ? p.softcap * std::tanh(score / p.softcap) : score);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (int32_t d = 0; d < p.kv.D; ++d) {
    double value = 0;
    for (int64_t j = first; j <= position; ++j) {
      const std::byte* v = KvAt(p.kv, p.batch, s, j, g, true);
      value += scores[static_cast<size_t>(j - first)] * LoadKv(v, p.kv, d);
    }
    StoreAt(p.y, p.activation, y_row + d, static_cast<float>(value / sum));
  }
}

}  // namespace

void PagedAttention(const ops::PagedAttentionParams& p, device::Stream&) {
  const int32_t group = p.H / p.kv.G;
  for (int32_t s = 0; s < p.batch.S; ++s) {
    for (int32_t t = p.batch.query_begin[s]; t < p.batch.query_begin[s + 1]; ++t) {
      const int64_t position = FirstPosition(p.batch, s) + t - p.batch.query_begin[s];
      for (int32_t h = 0; h < p.H; ++h) {
        AttendOne(p, s, position, h / group, t * p.q_stride + h * p.kv.D,
                  (int64_t{t} * p.H + h) * p.kv.D);
      }
    }
  }
}

}  // namespace baton::kernels::reference
