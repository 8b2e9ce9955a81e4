#include <dnnl.hpp>
#include <omp.h>

#include "linear_problem.h"

namespace baton::bench {
namespace {

using dnnl::memory;

/// oneDNN's matmul with w [N, K] as the caller has it (no repacking), or in the layout it prefers.
void OneDnn(benchmark::State& state, memory::data_type type, bool repacked) {
  LinearProblem p(state.range(0), state.range(1), state.range(2));
  omp_set_num_threads(kThreads);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const bool bf16 = type == memory::data_type::bf16;
  std::vector<BFloat16> x_bf16(p.x.size());
  for (size_t i = 0; i < x_bf16.size(); ++i) x_bf16[i] = ToBFloat16(p.x[i]);

  const memory::desc x_desc({p.T, p.K}, type, memory::format_tag::ab);
  const memory::desc plain({p.K, p.N}, type, memory::format_tag::ba);
  const memory::desc any({p.K, p.N}, type, memory::format_tag::any);
  const memory::desc y_desc({p.T, p.N}, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc desc(
      dnnl::matmul::desc(x_desc, repacked ? any : plain, y_desc), engine);
  const dnnl::matmul matmul(desc);
  memory x(x_desc, engine, bf16 ? static_cast<void*>(x_bf16.data()) : p.x.data());
  memory w(plain, engine, bf16 ? static_cast<void*>(p.w_bf16.data()) : p.w.data());
  memory y(y_desc, engine, p.y.data());
  memory packed(desc.weights_desc(), engine);
  dnnl::reorder(w, packed).execute(stream, w, packed);
  for (auto _ : state) {
    matmul.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, y}});
    stream.wait();
  }
  p.Report(state, bf16 ? 2 : 4);
}

BENCHMARK_CAPTURE(OneDnn, f32_plain, memory::data_type::f32, false)->Apply(LinearShapes);
BENCHMARK_CAPTURE(OneDnn, bf16_plain, memory::data_type::bf16, false)->Apply(LinearShapes);
BENCHMARK_CAPTURE(OneDnn, bf16_packed, memory::data_type::bf16, true)->Apply(LinearShapes);

}  // namespace
}  // namespace baton::bench
