#pragma once

#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "baton/base/dtype.h"
#include "baton/base/random.h"

namespace baton::bench {

/// One thread each, by CPU time: comparable also on a busy host.
inline constexpr int kThreads = 1;

/// y [T, N] = x [T, K] w [N, K]^T, with w in float32 and rounded to bfloat16.
struct LinearProblem {
  LinearProblem(int64_t rows, int64_t columns, int64_t depth)
      : T(rows),
        N(columns),
        K(depth),
        x(static_cast<size_t>(T * K)),
        w(static_cast<size_t>(N * K)),
        w_bf16(w.size()),
        y(static_cast<size_t>(T * N)) {
    Random random(1);
    for (float& value : x) value = static_cast<float>(random.Uniform()) - 0.5f;
    for (size_t i = 0; i < w.size(); ++i) {
      w_bf16[i] = ToBFloat16(static_cast<float>(random.Uniform()) - 0.5f);
      w[i] = ToFloat(w_bf16[i]);
    }
  }

  /// GFLOP/s, and the bytes of w read per second where w has `w_bytes` per element.
  void Report(benchmark::State& state, int64_t w_bytes) const {
    using benchmark::Counter;
    const double runs = static_cast<double>(state.iterations());
    state.counters["GFLOP/s"] =
        Counter(2e-9 * static_cast<double>(T * N * K) * runs, Counter::kIsRate);
    state.counters["w GB/s"] =
        Counter(1e-9 * static_cast<double>(N * K * w_bytes) * runs, Counter::kIsRate);
  }

  int64_t T, N, K;
  std::vector<float> x;
  std::vector<float> w;
  std::vector<BFloat16> w_bf16;
  std::vector<float> y;
};

/// The shapes {T, N, K} that every contender runs: linear layers of Llama models of 110M (E 768,
/// F 2048) and 1.1B parameters (E 2048, F 5632).
inline void LinearShapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"T", "N", "K"})->Unit(benchmark::kMicrosecond)->MinTime(0.2);
  for (const int64_t T : {1, 4, 8, 16, 64, 512}) {
    bench->Args({T, 2048, 768});
    bench->Args({T, 5632, 2048});
    bench->Args({T, 2048, 5632});
  }
}

}  // namespace baton::bench
