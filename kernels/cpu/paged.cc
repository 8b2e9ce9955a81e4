#include <algorithm>
#include <cmath>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Query rows (tokens times heads of a group) that share the widening of a KV tile.
constexpr int64_t kUnitRows = 32;

/// Divides the step's queries into units; which queries share one does not change a result.
std::vector<AttentionUnit> PlanUnits(const ops::PagedBatch& batch, int32_t G, int64_t unit_tokens) {
  std::vector<AttentionUnit> units;
  for (int32_t s = 0; s < batch.S; ++s) {
    const int32_t begin = batch.query_begin[s];
    const int32_t tokens = batch.query_begin[s + 1] - begin;
    for (int64_t i = 0; i < tokens; i += unit_tokens) {
      for (int32_t g = 0; g < G; ++g) {
        units.push_back({.s = s,
                         .g = g,
                         .first_row = begin + i,
                         .first_position = batch.kv_tokens[s] - tokens + i,
                         .tokens = static_cast<int32_t>(std::min(tokens - i, unit_tokens))});
      }
    }
  }
  return units;
}

std::byte* KvAt(const ops::PagedKv& kv, const ops::PagedBatch& batch, int32_t s, int64_t position) {
  const int64_t block = batch.block_tables[s * batch.table_stride + position / kv.P];
  const auto row_bytes = kv.D * static_cast<int64_t>(DTypeBytes(kv.dtype));
  return kv.base + block * kv.block_stride + position % kv.P * row_bytes;
}

/// One row of the step: rotates its heads, then stores its keys and values.
void WriteRow(const Isa& isa, const ops::RopeKvWriteParams& p, int32_t s, int64_t t,
              std::vector<float>& angles) {
  const int64_t D = p.kv.D;
  const int64_t position = p.batch.kv_tokens[s] - (p.batch.query_begin[s + 1] - t);
  float* cosine = angles.data();
  float* sine = cosine + D / 2;
  for (int64_t i = 0; i < D / 2; ++i) {
    const float angle = static_cast<float>(position) * p.inv_freq[i];
    cosine[i] = std::cos(angle) * p.attention_scale;
    sine[i] = std::sin(angle) * p.attention_scale;
  }
  for (int32_t h = 0; h < p.H; ++h) isa.rotate(p.q + t * p.q_stride + h * D, cosine, sine, D);
  std::byte* to = KvAt(p.kv, p.batch, s, position);
  const auto head_bytes = p.kv.P * D * static_cast<int64_t>(DTypeBytes(p.kv.dtype));
  for (int32_t g = 0; g < p.kv.G; ++g) {
    float* k = p.k + t * p.kv_stride + g * D;
    isa.rotate(k, cosine, sine, D);
    isa.narrow(k, to + g * head_bytes, p.kv.dtype, D);
    isa.narrow(p.v + t * p.kv_stride + g * D, to + g * head_bytes + p.kv.v_offset, p.kv.dtype, D);
  }
}

}  // namespace

void CheckPaged(const ops::PagedKv& kv, const ops::PagedBatch& batch) {
  BATON_CHECK(kv.base != nullptr && kv.G > 0 && kv.P > 0 && kv.D > 0 && kv.dtype != DType::kInt32);
  BATON_CHECK(batch.query_begin[0] == 0 && batch.query_begin[batch.S] == batch.T)
      << "the rows of the sequences do not add up to T " << batch.T;
  for (int32_t s = 0; s < batch.S; ++s) {
    const int32_t tokens = batch.query_begin[s + 1] - batch.query_begin[s];
    BATON_CHECK(tokens >= 0 && tokens <= batch.kv_tokens[s]) << "sequence " << s;
    BATON_CHECK(batch.kv_tokens[s] <= batch.table_stride * kv.P) << "sequence " << s;
  }
}

void RopeKvWrite(const Isa& isa, const ops::RopeKvWriteParams& p, device::HostStream& stream) {
  if (p.batch.T == 0) return;
  CheckPaged(p.kv, p.batch);
  BATON_CHECK(p.kv.D % 2 == 0 && p.H > 0 && p.q != nullptr && p.k != nullptr && p.v != nullptr);
  const int32_t* rows = p.batch.query_begin;
  const int64_t cost = (p.H + 2 * p.kv.G) * p.kv.D + 16 * p.kv.D;
  stream.ParallelFor(p.batch.T, GrainOf(cost), [&](int64_t begin, int64_t end) {
    std::vector<float> angles(static_cast<size_t>(p.kv.D));
    auto s = static_cast<int32_t>(std::upper_bound(rows, rows + p.batch.S, begin) - rows) - 1;
    for (int64_t t = begin; t < end; ++t) {
      while (rows[s + 1] <= t) ++s;
      WriteRow(isa, p, s, t, angles);
    }
  });
}

int64_t AttentionScratch(const ops::PagedAttentionParams& p, int64_t tokens) {
  const int64_t width = CeilDiv<int64_t>(p.kv.D, 16) * 16;
  const int64_t rows = tokens * (p.H / p.kv.G);
  return 2 * kTilePositions * width + rows * (2 * width + 16 + 1);
}

void PagedAttention(const Isa& isa, const ops::PagedAttentionParams& p,
                    device::HostStream& stream) {
  if (p.batch.T == 0) return;
  CheckPaged(p.kv, p.batch);
  BATON_CHECK(p.H > 0 && p.H % p.kv.G == 0 && p.q_stride >= int64_t{p.H} * p.kv.D);
  BATON_CHECK(p.q != nullptr && p.y != nullptr && p.window >= 0);
  const int64_t unit_tokens = std::max<int64_t>(1, kUnitRows / (p.H / p.kv.G));
  const std::vector<AttentionUnit> units = PlanUnits(p.batch, p.kv.G, unit_tokens);
  int64_t cost = 0;
  for (const AttentionUnit& unit : units) {
    cost += unit.tokens * (unit.first_position + unit.tokens) * (p.H / p.kv.G) * p.kv.D;
  }
  const auto count = static_cast<int64_t>(units.size());
  stream.ParallelFor(count, GrainOf(cost / count), [&](int64_t begin, int64_t end) {
    Scratch scratch(AttentionScratch(p, unit_tokens));
    for (int64_t i = begin; i < end; ++i) {
      isa.attend(p, units[static_cast<size_t>(i)], scratch.data());
    }
  });
}

}  // namespace baton::kernels::cpu
