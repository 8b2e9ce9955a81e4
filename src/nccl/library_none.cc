#include "baton/nccl/library.h"

namespace baton::nccl {

Result<std::shared_ptr<Library>> Load(const std::string&) {
  return Unavailable("this build has no NCCL: no CUDA toolkit or no nccl.h was found");
}

}  // namespace baton::nccl
