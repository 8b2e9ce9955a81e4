#include "baton/device/sm_share.h"

#include <cstdlib>
#include <filesystem>
#include <string>

namespace baton::device {

Status LimitSmShare(int32_t percent) {
  const char* const folder = std::getenv("CUDA_MPS_PIPE_DIRECTORY");
  const std::filesystem::path control =
      std::filesystem::path(folder == nullptr ? "/tmp/nvidia-mps" : folder) / "control";
  std::error_code error;
  if (!std::filesystem::exists(control, error)) {
    return Unavailable("CUDA's Multi-Process Service does not run here: there is no " +
                       control.string());
  }
  setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", std::to_string(percent).c_str(), 1);
  return OkStatus();
}

}  // namespace baton::device
