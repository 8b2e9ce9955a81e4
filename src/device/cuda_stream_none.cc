#include "baton/device/cuda_stream.h"

namespace baton::device {

Result<std::unique_ptr<CudaStream>> OpenCudaStream(int) {
  return Unavailable("this build has no CUDA: no toolkit was found, or it was turned off");
}

}  // namespace baton::device
