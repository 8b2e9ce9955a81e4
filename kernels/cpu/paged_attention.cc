#include <algorithm>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

/// Units per thread, so that one that is delayed does not hold up the others.
constexpr int64_t kUnitsPerThread = 2;

/// The most tokens, and heads where they are joined, of a unit.
AttentionUnit LargestUnit(const Isa& isa, const ops::PagedAttentionParams& p, int threads) {
  const int64_t heads = p.batch.S * p.kv.G / (threads * kUnitsPerThread);
  return {.tokens = static_cast<int32_t>(std::max<int64_t>(1, isa.unit_rows / (p.H / p.kv.G))),
          .heads = static_cast<int32_t>(
              isa.joined_rows == 0 ? 1 : std::clamp<int64_t>(heads, 1, p.kv.G))};
}

/// Divides the step's queries into units; which queries share one does not change a result.
std::vector<AttentionUnit> PlanUnits(const Isa& isa, const ops::PagedAttentionParams& p,
                                     const AttentionUnit& largest) {
  const ops::PagedBatch& batch = p.batch;
  std::vector<AttentionUnit> units;
  for (int32_t s = 0; s < batch.S; ++s) {
    const int32_t begin = batch.query_begin[s];
    const int32_t tokens = batch.query_begin[s + 1] - begin;
    for (int32_t i = 0; i < tokens; i += largest.tokens) {
      const int32_t own = std::min(tokens - i, largest.tokens);
      const bool joined = own * (p.H / p.kv.G) <= isa.joined_rows;
      const int32_t heads = joined ? largest.heads : 1;
      for (int32_t g = 0; g < p.kv.G; g += heads) {
        units.push_back({.s = s,
                         .g = g,
                         .first_row = begin + i,
                         .first_position = batch.kv_tokens[s] - tokens + i,
                         .tokens = own,
                         .heads = std::min(heads, p.kv.G - g)});
      }
    }
  }
  return units;
}

}  // namespace

void CheckPaged(const ops::PagedKv& kv, const ops::PagedBatch& batch) {
  BATON_CHECK(kv.base != nullptr && kv.G > 0 && kv.P > 0 && kv.D > 0 && kv.dtype != DType::kInt32);
  BATON_CHECK(batch.query_begin[0] == 0 && batch.query_begin[batch.S] <= batch.T)
      << "the sequences have more rows than T " << batch.T;
  for (int32_t s = 0; s < batch.S; ++s) {
    const int32_t tokens = batch.query_begin[s + 1] - batch.query_begin[s];
    BATON_CHECK(tokens >= 0 && tokens <= batch.kv_tokens[s]) << "sequence " << s;
    BATON_CHECK(batch.kv_tokens[s] <= batch.table_stride * kv.P) << "sequence " << s;
  }
}

void PagedAttention(const Isa& isa, const ops::PagedAttentionParams& p,
                    device::HostStream& stream) {
  if (p.batch.T == 0) return;
  CheckPaged(p.kv, p.batch);
  BATON_CHECK(p.H > 0 && p.H % p.kv.G == 0 && p.q_stride >= int64_t{p.H} * p.kv.D);
  BATON_CHECK(p.q != nullptr && p.y != nullptr && p.window >= 0 && p.softcap >= 0 &&
              p.activation == DType::kFloat32);
  const AttentionUnit largest = LargestUnit(isa, p, stream.threads());
  const std::vector<AttentionUnit> units = PlanUnits(isa, p, largest);
  int64_t cost = 0;
  for (const AttentionUnit& unit : units) {
    cost +=
        unit.heads * unit.tokens * (unit.first_position + unit.tokens) * (p.H / p.kv.G) * p.kv.D;
  }
  const auto count = static_cast<int64_t>(units.size());
  if (count == 0) return;
  stream.ParallelFor(count, GrainOf(cost / count), [&](int64_t begin, int64_t end) {
    Scratch scratch(isa.attention_scratch(p, largest));
    for (int64_t i = begin; i < end; ++i) {
      isa.attend(p, units[static_cast<size_t>(i)], scratch.floats());
    }
  });
}

}  // namespace baton::kernels::cpu
