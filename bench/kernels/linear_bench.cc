#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "linear_problem.h"

namespace baton::bench {
namespace {

void Linear(benchmark::State& state, const std::string& set, DType dtype,
            ops::Packing packing = ops::Packing::kExact) {
  LinearProblem p(state.range(0), state.range(1), state.range(2));
  const auto ops = kernels::CpuOpsFor(set);
  if (!ops.ok()) return state.SkipWithError(ops.status().message().c_str());
  device::HostStream stream(kThreads);
  ops::PackLinearParams weights{
      .w = dtype == DType::kFloat32 ? static_cast<const void*>(p.w.data()) : p.w_bf16.data(),
      .dtype = dtype,
      .packing = packing,
      .N = p.N,
      .K = p.K};
  device::HostMemory memory;
  const auto packed = memory.Allocate((*ops)->packed_bytes(weights));
  weights.packed = packed->get();
  (*ops)->pack_linear(weights, stream);
  const ops::LinearParams params{.x = p.x.data(),
                                 .w = packed->get(),
                                 .y = p.y.data(),
                                 .w_dtype = dtype,
                                 .T = p.T,
                                 .N = p.N,
                                 .K = p.K,
                                 .x_stride = p.K,
                                 .y_stride = p.N,
                                 .w_packing = packing};
  for (auto _ : state) (*ops)->linear(params, stream);
  p.Report(state, packing != ops::Packing::kExact ? 1 : static_cast<int64_t>(DTypeBytes(dtype)));
}

BENCHMARK_CAPTURE(Linear, baton_avx512_bf16, "avx512", DType::kBFloat16)->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx512_f32, "avx512", DType::kFloat32)->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx512bf16_w16a16, "avx512bf16", DType::kBFloat16,
                  ops::Packing::kW16A16)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx512vnni_w8a8, "avx512vnni", DType::kBFloat16,
                  ops::Packing::kW8A8)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx512bf16_int8, "avx512bf16", DType::kBFloat16,
                  ops::Packing::kInt8)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_amx_bf16, "amx", DType::kBFloat16)->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_amx_w16a16, "amx", DType::kBFloat16, ops::Packing::kW16A16)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_amx_w8a8, "amx", DType::kBFloat16, ops::Packing::kW8A8)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avxvnni_w8a8, "avxvnni", DType::kBFloat16, ops::Packing::kW8A8)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx2_bf16, "avx2", DType::kBFloat16)->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx2_int8, "avx2", DType::kBFloat16, ops::Packing::kInt8)
    ->Apply(LinearShapes);
BENCHMARK_CAPTURE(Linear, baton_avx2_w8a8, "avx2", DType::kBFloat16, ops::Packing::kW8A8)
    ->Apply(LinearShapes);

}  // namespace
}  // namespace baton::bench
