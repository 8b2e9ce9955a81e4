#pragma once

#include "baton/base/clock.h"

namespace baton::worker {

/// A node of this worker that says nothing for so long is lost, and the worker with it.
inline constexpr Duration kNodeSilence = std::chrono::seconds(5);

}  // namespace baton::worker
