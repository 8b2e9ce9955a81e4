#include "baton/base/check.h"
#include "baton/kernels/cuda_ops.h"

namespace baton::kernels {

const ops::Ops& CudaOps(const CudaOpsOptions&) {
  BATON_CHECK(false) << WhyNoCudaOps();
  __builtin_unreachable();
}

std::string_view WhyNoCudaOps() {
  return "this build has no kernels for CUDA: no nvcc was found, or CUDA was turned off";
}

Result<std::vector<std::string>> PrepareCudaLinearAndWait(device::CudaStream&,
                                                          device::DeviceMemory&,
                                                          const CudaLinearOptions&,
                                                          std::span<const ops::LinearParams>) {
  return Unavailable(std::string(WhyNoCudaOps()));
}

}  // namespace baton::kernels
