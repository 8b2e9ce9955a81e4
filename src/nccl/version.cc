#include "baton/nccl/library.h"

namespace baton::nccl {

std::string VersionText(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

Status CheckVersion(int version, int compiled_version) {
  if (version / 10000 != compiled_version / 10000) {
    return Unavailable("nccl " + VersionText(version) + " is here, but this was built for " +
                       VersionText(compiled_version));
  }
  if (version >= kLeastVersion) return OkStatus();
  return Unavailable("nccl " + VersionText(version) + " is too old; at least " +
                     VersionText(kLeastVersion) + " is needed");
}

}  // namespace baton::nccl
