#include "cuda_devices.h"

namespace baton::device {

void AppendCudaDevices(DeviceList& list) {
  list.no_cuda = "this build has no CUDA: no toolkit was found, or it was turned off";
}

}  // namespace baton::device
