#pragma once

#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "linear/gemm_library.h"
#include "linear/gemm_plans.h"

namespace baton::kernels::cuda {

/// Whether an algorithm gives a row the bits that the base gives it alone, however many rows there
/// are and whichever it is: computes a few rows alone, then as all rows of products with M of
/// GemmProbes, and compares bit by bit on the device. `operands` has w and bias; x and y are made
/// here, in memory of the most rows each that is freed again. OK where rows are alike. Fails with
/// Unavailable where they are not, with ResourceExhausted, and with what the library fails with.
Status ProveRowsAlikeAndWait(GemmLibrary& library, const GemmTrial& trial,
                             const GemmOperands& operands, device::DeviceMemory& memory,
                             device::Stream& stream);

}  // namespace baton::kernels::cuda
