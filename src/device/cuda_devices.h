#pragma once

#include "baton/device/devices.h"

namespace baton::device {

/// Appends the CUDA devices to `list`, or says in it why there are none.
void AppendCudaDevices(DeviceList& list);

}  // namespace baton::device
