#pragma once

#include "baton/base/status.h"
#include "baton/device/devices.h"

namespace baton::device {

/// Appends the CUDA devices to `list`, or says in it why there are none.
void AppendCudaDevices(DeviceList& list);

/// Fails with Unavailable where the driver lists no such device, or is not there. Only in builds
/// with CUDA.
Status CheckCudaDevice(int device);

}  // namespace baton::device
