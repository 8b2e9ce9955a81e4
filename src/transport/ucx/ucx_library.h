#pragma once

#include <string>

#include <ucp/api/ucp.h>

#include "baton/base/status.h"
#include "baton/transport/ucx.h"

namespace baton::transport {

/// Keeps UCX out of the process's signals and sends its log lines to ours. UCX installs handlers
/// when its library is loaded; this takes them back. Idempotent, thread-safe.
void TameUcx();

/// Whether UCX has been let patch the process's memory functions; see ucx_memory_hooks.cc.
bool UcxHooksMemory();

/// Unavailable for whatever has to do with the peer, ResourceExhausted for memory, else Internal.
Status ToStatus(ucs_status_t status, const std::string& what);

/// Fails with Unavailable, naming both, where the library that was loaded is not of the minor
/// release that this was compiled for: options of libucm's that are in this executable then differ
/// in size, and the library writes over what lies behind them.
Status CheckRelease(unsigned major, unsigned minor);

/// A context with the features that the transport needs. Fails with Unavailable.
Result<ucp_context_h> MakeContext(const UcxOptions& options);

/// Whether UCX puts and registers memory of CUDA devices, or else why not, for a person to read.
std::string WhyNoCuda(ucp_context_h context);

/// Whether the context may use shared memory between processes.
bool HasSharedMemory(ucp_context_h context);

}  // namespace baton::transport
