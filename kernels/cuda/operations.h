#pragma once

#include "baton/ops/ops.h"

/// The operations one by one. Each checks its contract, enqueues on the stream (a CudaStream; under
/// the emulator any) and returns; none allocates, all are graph-safe.
namespace baton::kernels::cuda {

void SiluMul(const ops::GatedActivationParams& p, device::Stream& stream);
void GeluMul(const ops::GatedActivationParams& p, device::Stream& stream);

}  // namespace baton::kernels::cuda
