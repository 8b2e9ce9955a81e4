#pragma once

#include <string>

namespace baton::transport {

/// "shared memory (sysv, posix)", "tcp (lo)" or "rc_mlx5 (mlx5_0:1)", from what UCX prints about an
/// endpoint. "unknown" when it names no lanes.
std::string DescribeLanes(const std::string& endpoint_info);

}  // namespace baton::transport
