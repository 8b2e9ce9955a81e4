#include <algorithm>
#include <cmath>
#include <vector>

#include "baton/base/check.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

std::byte* KvAt(const ops::PagedKv& kv, const ops::PagedBatch& batch, int32_t s, int64_t position) {
  const int64_t block = batch.block_tables[s * batch.table_stride + position / kv.P];
  return kv.base + block * kv.block_stride + position % kv.P * kv.row_bytes();
}

void StoreRow(const Isa& isa, const ops::PagedKv& kv, const float* row, std::byte* to) {
  if (kv.dtype == DType::kInt8) {
    isa.round_row(row, to, kv.D);
  } else {
    isa.narrow(row, to, kv.dtype, kv.D);
  }
}

/// One row of the step: rotates its heads, then stores its keys and values.
void WriteRow(const Isa& isa, const ops::RopeKvWriteParams& p, int32_t s, int64_t t,
              std::vector<float>& angles) {
  const int64_t D = p.kv.D;
  const int64_t position = p.batch.kv_tokens[s] - (p.batch.query_begin[s + 1] - t);
  float* cosine = angles.data();
  float* sine = cosine + p.R / 2;
  for (int64_t i = 0; i < p.R / 2; ++i) {
    const float angle = static_cast<float>(position) * p.inv_freq[i];
    cosine[i] = std::cos(angle) * p.attention_scale;
    sine[i] = std::sin(angle) * p.attention_scale;
  }
  for (int32_t h = 0; h < p.H; ++h) {
    isa.rotate(static_cast<float*>(p.q) + t * p.q_stride + h * D, cosine, sine, p.R);
  }
  std::byte* to = KvAt(p.kv, p.batch, s, position);
  const int64_t head_bytes = p.kv.P * p.kv.row_bytes();
  for (int32_t g = 0; g < p.kv.G; ++g) {
    float* k = static_cast<float*>(p.k) + t * p.kv_stride + g * D;
    const float* v = static_cast<const float*>(p.v) + t * p.kv_stride + g * D;
    isa.rotate(k, cosine, sine, p.R);
    StoreRow(isa, p.kv, k, to + g * head_bytes);
    StoreRow(isa, p.kv, v, to + g * head_bytes + p.kv.v_offset);
  }
}

}  // namespace

void RopeKvWrite(const Isa& isa, const ops::RopeKvWriteParams& p, device::HostStream& stream) {
  if (p.batch.T == 0) return;
  CheckPaged(p.kv, p.batch);
  BATON_CHECK(p.R % 2 == 0 && p.R > 0 && p.R <= p.kv.D && p.H > 0 && p.q != nullptr &&
              p.k != nullptr && p.v != nullptr && p.activation == DType::kFloat32);
  const int32_t* rows = p.batch.query_begin;
  const int64_t cost = (p.H + 2 * p.kv.G) * p.kv.D + 16 * p.kv.D;
  stream.ParallelFor(rows[p.batch.S], GrainOf(cost), [&](int64_t begin, int64_t end) {
    std::vector<float> angles(static_cast<size_t>(p.kv.D));
    auto s = static_cast<int32_t>(std::upper_bound(rows, rows + p.batch.S, begin) - rows) - 1;
    for (int64_t t = begin; t < end; ++t) {
      while (rows[s + 1] <= t) ++s;
      WriteRow(isa, p, s, t, angles);
    }
  });
}

}  // namespace baton::kernels::cpu
