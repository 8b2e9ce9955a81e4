#include <cblas.h>

#include "linear_problem.h"

namespace baton::bench {
namespace {

void OpenBlasF32(benchmark::State& state) {
  LinearProblem p(state.range(0), state.range(1), state.range(2));
  openblas_set_num_threads(kThreads);
  const auto T = static_cast<blasint>(p.T);
  const auto N = static_cast<blasint>(p.N);
  const auto K = static_cast<blasint>(p.K);
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, T, N, K, 1.0f, p.x.data(), K, p.w.data(),
                K, 0.0f, p.y.data(), N);
  }
  p.Report(state, 4);
}
BENCHMARK(OpenBlasF32)->Apply(LinearShapes);

}  // namespace
}  // namespace baton::bench
