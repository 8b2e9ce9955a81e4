#include "baton/base/check.h"
#include "baton/device/cuda_stream.h"
#include "baton/kernels/cuda_ops.h"
#include "linear/cublaslt.h"
#include "linear/products.h"
#include "operations.h"

namespace baton::kernels {

Result<std::vector<std::string>> PrepareCudaLinearAndWait(
    device::CudaStream& stream, device::DeviceMemory& memory, const CudaLinearOptions& options,
    std::span<const ops::LinearParams> widest) {
  if (stream.attached<cuda::Products>() == nullptr) {
    BATON_ASSIGN_OR_RETURN(std::unique_ptr<cuda::GemmLibrary> library,
                           cuda::LoadCublasLt(memory, options.cublaslt));
    stream.Attach(std::make_shared<cuda::Products>(std::move(library), options.deterministic));
  }
  cuda::Products& products = *stream.attached<cuda::Products>();
  std::vector<std::string> reasons;
  for (const ops::LinearParams& params : widest) {
    const Status status = products.FixAndWait(params, memory, stream);
    if (!status.ok()) reasons.push_back(status.message());
  }
  return reasons;
}

namespace cuda {

void Linear(const ops::LinearParams& p, device::Stream& stream) {
  BATON_CHECK(p.w_row() == p.K) << "weights of a device lie densely";
  device::CudaStream& on = device::AsCuda(stream);
  if (Products* products = on.attached<Products>(); products != nullptr) {
    products->Enqueue(p, stream, on.native());
  } else {
    OwnLinear(p, stream);
  }
}

}  // namespace cuda
}  // namespace baton::kernels
