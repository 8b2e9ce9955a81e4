#include "linear/cublaslt.h"

namespace baton::kernels::cuda {

Result<std::unique_ptr<GemmLibrary>> LoadCublasLt(device::DeviceMemory&, const std::string&) {
  return Unavailable("this build has no cuBLASLt: its toolkit has no cublasLt.h");
}

}  // namespace baton::kernels::cuda
