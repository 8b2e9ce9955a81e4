#include "baton/device/memory.h"

namespace baton::device {

Result<std::unique_ptr<DeviceMemory>> OpenCudaMemory(int) {
  return Unavailable("this build has no CUDA: no toolkit was found, or it was turned off");
}

}  // namespace baton::device
