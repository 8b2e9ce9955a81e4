#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "baton/device/memory.h"
#include "linear/gemm_library.h"

namespace baton::kernels::cuda {

/// What the algorithms may use of the device's memory; allocated once.
inline constexpr size_t kGemmWorkspaceBytes = size_t{32} << 20;

/// Loads cuBLASLt, of this name, into the process, where it stays; it computes on the device of
/// `memory`, one product at a time. Fails with Unavailable, naming the library and what is missing.
Result<std::unique_ptr<GemmLibrary>> LoadCublasLt(device::DeviceMemory& memory,
                                                  const std::string& library = "");

}  // namespace baton::kernels::cuda
