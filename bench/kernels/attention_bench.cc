#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "baton/base/dtype.h"
#include "baton/base/random.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"

namespace baton::bench {
namespace {

constexpr int32_t kBlockTokens = 16;

/// S sequences of `kv_tokens` each, of which the last `new_tokens` are queries, in one layer after
/// the other; heads of 64.
void PagedAttention(benchmark::State& state, const std::string& set) {
  const auto ops = kernels::CpuOpsFor(set);
  if (!ops.ok()) return state.SkipWithError(ops.status().message().c_str());
  const auto S = static_cast<int32_t>(state.range(0));
  const auto new_tokens = static_cast<int32_t>(state.range(1));
  const auto kv_tokens = static_cast<int32_t>(state.range(2));
  const auto H = static_cast<int32_t>(state.range(3));
  const auto G = static_cast<int32_t>(state.range(4));
  const int64_t layers = state.range(5);
  constexpr int32_t kD = 64;
  const int32_t blocks = (kv_tokens + kBlockTokens - 1) / kBlockTokens;
  const int64_t half = int64_t{G} * kBlockTokens * kD * 2;
  std::vector<BFloat16> kv(static_cast<size_t>(half * layers * S * blocks));
  auto* const cache = reinterpret_cast<std::byte*>(kv.data());
  Random random(1);
  const auto next = [&] { return static_cast<float>(random.Uniform()) - 0.5f; };
  for (BFloat16& element : kv) element = ToBFloat16(next());
  std::vector<int32_t> tables(static_cast<size_t>(S * blocks));
  std::iota(tables.begin(), tables.end(), 0);
  std::vector<int32_t> query_begin(static_cast<size_t>(S + 1));
  for (int32_t s = 0; s <= S; ++s) query_begin[static_cast<size_t>(s)] = s * new_tokens;
  const std::vector<int32_t> lengths(static_cast<size_t>(S), kv_tokens);
  std::vector<float> q(static_cast<size_t>(S * new_tokens * H * kD));
  for (float& element : q) element = 8 * next();
  std::vector<float> y(q.size());
  device::HostStream stream(1);
  ops::PagedAttentionParams params{.q = q.data(),
                                   .y = y.data(),
                                   .q_stride = H * kD,
                                   .H = H,
                                   .scale = 0.125f,
                                   .batch = {.query_begin = query_begin.data(),
                                             .kv_tokens = lengths.data(),
                                             .block_tables = tables.data(),
                                             .table_stride = blocks,
                                             .S = S,
                                             .T = S * new_tokens},
                                   .kv = {.base = cache,
                                          .block_stride = 2 * half * layers,
                                          .v_offset = half,
                                          .G = G,
                                          .P = kBlockTokens,
                                          .D = kD}};
  for (auto _ : state) {
    for (int64_t layer = 0; layer < layers; ++layer) {
      params.kv.base = cache + 2 * half * layer;
      (*ops)->paged_attention(params, stream);
    }
  }
  const auto calls = static_cast<double>(state.iterations() * layers);
  const double seen = S * new_tokens * (kv_tokens - (new_tokens - 1) / 2.0);
  state.counters["GFLOP/s"] =
      benchmark::Counter(4e-9 * seen * H * kD * calls, benchmark::Counter::kIsRate);
  state.counters["KV GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(kv.size() * sizeof(BFloat16)) *
                             static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}
void Shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"S", "new", "kv", "H", "G", "layers"})->Unit(benchmark::kMicrosecond);
  bench->MinTime(0.2);
  bench->Args({1, 1, 128, 32, 8, 1})->Args({1, 1, 4096, 32, 8, 1})->Args({16, 1, 1024, 32, 8, 1});
  // More than caches hold, as a step leaves them.
  bench->Args({16, 1, 160, 12, 12, 12})->Args({16, 1, 160, 32, 8, 22});
  bench->Args({1, 512, 512, 32, 8, 1})->Args({1, 512, 4096, 32, 8, 1});
}

BENCHMARK_CAPTURE(PagedAttention, amx, "amx")->Apply(Shapes);
BENCHMARK_CAPTURE(PagedAttention, avx512, "avx512")->Apply(Shapes);
BENCHMARK_CAPTURE(PagedAttention, avx2, "avx2")->Apply(Shapes);

}  // namespace
}  // namespace baton::bench
