#include "baton/transport/nccl.h"

#include "nccl_library.h"
#include "nccl_transport.h"

namespace baton::transport {

std::string NcclVersionText(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

Status CheckNcclVersion(int version, int compiled_version) {
  if (version / 10000 != compiled_version / 10000) {
    return Unavailable("nccl " + NcclVersionText(version) + " is here, but this was built for " +
                       NcclVersionText(compiled_version));
  }
  if (version >= kLeastNcclVersion) return OkStatus();
  return Unavailable("nccl " + NcclVersionText(version) + " is too old; at least " +
                     NcclVersionText(kLeastNcclVersion) + " is needed");
}

Result<std::unique_ptr<Transport>> MakeNcclTransport(const NcclOptions& options,
                                                     std::unique_ptr<Transport> messages) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<device::DeviceMemory> memory,
                         device::OpenCudaMemory(options.device));
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<NcclApi> api, LoadNccl(memory));
  return std::unique_ptr<Transport>(std::make_unique<NcclTransport>(
      options, NcclTransport::Parts{std::move(memory), std::move(api), std::move(messages)}));
}

}  // namespace baton::transport
