#include "baton/transport/nccl.h"

#include "nccl_library.h"
#include "nccl_transport.h"

namespace baton::transport {

Result<std::unique_ptr<Transport>> MakeNcclTransport(const NcclOptions& options,
                                                     std::unique_ptr<Transport> messages) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<device::DeviceMemory> memory,
                         device::OpenCudaMemory(options.device));
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<NcclApi> api, LoadNccl(memory));
  return std::unique_ptr<Transport>(std::make_unique<NcclTransport>(
      options, NcclTransport::Parts{std::move(memory), std::move(api), std::move(messages)}));
}

}  // namespace baton::transport
