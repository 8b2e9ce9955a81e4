#include <vector>

#include <benchmark/benchmark.h>

#include "baton/base/random.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"

namespace baton::bench {
namespace {

std::vector<float> Values(int64_t n) {
  Random random(1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.Uniform() * 16 - 8);
  return values;
}

void Configure(benchmark::internal::Benchmark* bench) {
  bench->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.1);
}

/// An empty loop over two threads: what dividing work costs.
void ParallelFor(benchmark::State& state) {
  device::HostStream stream(2);
  for (auto _ : state) {
    stream.ParallelFor(2, 1, [](int64_t begin, int64_t) { benchmark::DoNotOptimize(begin); });
  }
}
BENCHMARK(ParallelFor)->Apply(Configure);

void RmsNorm(benchmark::State& state) {
  const int64_t T = state.range(0), E = 2048;
  std::vector<float> residual = Values(T * E), delta = Values(T * E), w = Values(E), y(T * E);
  device::HostStream stream(2);
  for (auto _ : state) {
    kernels::CpuOps().rms_norm({.residual = residual.data(),
                                .x = delta.data(),
                                .w = w.data(),
                                .y = y.data(),
                                .w_dtype = DType::kFloat32,
                                .T = T,
                                .E = E},
                               stream);
  }
}
BENCHMARK(RmsNorm)->Arg(1)->Arg(512)->Apply(Configure);

void SiluMul(benchmark::State& state) {
  const int64_t T = state.range(0), F = 5632;
  std::vector<float> gate_up = Values(T * 2 * F), y(T * F);
  device::HostStream stream(2);
  for (auto _ : state) {
    kernels::CpuOps().silu_mul({.gate = gate_up.data(),
                                .up = gate_up.data() + F,
                                .y = y.data(),
                                .T = T,
                                .F = F,
                                .in_stride = 2 * F,
                                .y_stride = F},
                               stream);
  }
}
BENCHMARK(SiluMul)->Arg(1)->Arg(512)->Apply(Configure);

/// Includes copying the row back, since the operation overwrites it.
void Sample(benchmark::State& state, const ops::SampleRow& row) {
  const int64_t V = state.range(0);
  const std::vector<float> original = Values(V);
  std::vector<float> logits(original.size());
  device::HostStream stream(1);
  ops::SampledToken out;
  ops::SampledToken top[8];
  for (auto _ : state) {
    logits = original;
    kernels::CpuOps().sample({.logits = logits.data(),
                              .rows = &row,
                              .out = &out,
                              .top = top,
                              .top_stride = 8,
                              .R = 1,
                              .V = V},
                             stream);
  }
}
BENCHMARK_CAPTURE(Sample, greedy, {.temperature = 0})->Arg(32000)->Arg(128256)->Apply(Configure);
BENCHMARK_CAPTURE(Sample, plain, {.temperature = 1})->Arg(32000)->Arg(128256)->Apply(Configure);
BENCHMARK_CAPTURE(Sample, top_k_top_p, {.temperature = 1, .top_k = 50, .top_p = 0.9f})
    ->Arg(128256)
    ->Apply(Configure);
BENCHMARK_CAPTURE(Sample, top_p, {.temperature = 1, .top_p = 0.9f})->Arg(128256)->Apply(Configure);
BENCHMARK_CAPTURE(Sample, logprobs, {.temperature = 0, .logprobs = 5})
    ->Arg(128256)
    ->Apply(Configure);

}  // namespace
}  // namespace baton::bench
