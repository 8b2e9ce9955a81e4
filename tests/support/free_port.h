#pragma once

#include <cstdint>

namespace baton::test {

/// A port on which nothing listened a moment ago, for a process that must be told where to listen.
/// It is below those of which Linux picks for outgoing connections, so that none of these takes it
/// before the process listens, or while it restarts. Each call gives another one. 0 when none is
/// free.
uint16_t FreePort();

}  // namespace baton::test
