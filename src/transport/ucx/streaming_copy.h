#pragma once

#include <cstddef>

namespace baton::transport {

/// memcpy past the caches: faster where both runs do not fit in them anyway, slower where they do.
/// What was copied is visible before anything stored later is.
void StreamingCopy(std::byte* to, const std::byte* from, size_t bytes);

/// From here on it pays: source and destination together fill half of the 32 MiB of cache that
/// today's cores share.
inline constexpr size_t kStreamingCopyBytes = size_t{8} << 20;

}  // namespace baton::transport
