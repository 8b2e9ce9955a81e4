#include "nccl_library.h"

namespace baton::transport {

Result<std::unique_ptr<NcclApi>> LoadNccl(std::shared_ptr<device::DeviceMemory>,
                                          const std::string&) {
  return Unavailable("this build has no NCCL: no CUDA toolkit or no nccl.h was found");
}

}  // namespace baton::transport
