#include "baton/kernels/cuda_ops.h"

#include "operations.h"

namespace baton::kernels {

const ops::Ops& CudaOps() {
  static const ops::Ops ops = {
      .name = "cuda-sm90a",
      .silu_mul = cuda::SiluMul,
      .gelu_mul = cuda::GeluMul,
  };
  return ops;
}

std::string_view WhyNoCudaOps() { return ""; }

}  // namespace baton::kernels
