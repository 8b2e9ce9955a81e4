#include "baton/kernels/cuda_ops.h"

#include "tables.h"

namespace baton::kernels {

const ops::Ops& CudaOps(const CudaOpsOptions& options) {
  static constexpr ops::Ops kDeterministic = cuda::DeterministicTable("cuda-sm90a", cuda::Linear);
  static constexpr ops::Ops kFastest = cuda::FastestTable("cuda-sm90a, fastest", cuda::Linear);
  return options.deterministic ? kDeterministic : kFastest;
}

std::string_view WhyNoCudaOps() { return ""; }

}  // namespace baton::kernels
