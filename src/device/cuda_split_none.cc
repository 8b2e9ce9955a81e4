#include "baton/device/sm_split.h"

namespace baton::device {

Result<std::array<std::unique_ptr<CudaStream>, 2>> OpenSplitCudaStreams(int,
                                                                        std::array<int32_t, 2>) {
  return Unavailable("this build has no CUDA: no toolkit was found, or it was turned off");
}

}  // namespace baton::device
