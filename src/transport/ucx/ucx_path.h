#pragma once

#include <string>

#include "baton/transport/path.h"

namespace baton::transport {

/// What may carry data to a peer, from what UCX prints about an endpoint, e.g. "shared memory
/// (sysv, posix)", "tcp (lo)" or "rc_mlx5 (mlx5_0:1)". Lanes that only connect do not count.
Path ReadLanes(const std::string& endpoint_info);

/// All that this host offers, from what UCX prints about a context.
Path ReadResources(const std::string& context_info);

}  // namespace baton::transport
