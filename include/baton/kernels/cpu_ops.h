#pragma once

#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/ops/ops.h"

namespace baton::kernels {

/// The fastest CPU operations that this host can run. Their stream is a device::HostStream.
const ops::Ops& CpuOps();

/// Those for one instruction set: "amx", "avx512bf16", "avx512vnni", "avx512", "avxvnni", "avx2",
/// "portable". Fails with Unavailable when the host cannot run it, with InvalidArgument when there
/// is no such set.
Result<const ops::Ops*> CpuOpsFor(const std::string& instruction_set);

/// The instruction sets that this host can run, fastest first.
std::vector<std::string> CpuInstructionSets();

}  // namespace baton::kernels
