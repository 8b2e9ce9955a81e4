#pragma once

#include <chrono>
#include <cstdint>

#include "baton/base/clock.h"

namespace baton::router {

/// How a request is tried again that its worker does not finish.
struct RetryOptions {
  /// Most attempts, one after the other, that bring next to nothing.
  int32_t attempts = 8;
  /// For how long a request waits between them, in all.
  Duration wait = std::chrono::seconds(15);
};

/// How requests are kept from a worker at which they fail.
struct BreakerOptions {
  /// Failures in a row that open it.
  int32_t failures = 3;
  /// For how long, the first time; twice as long each time that it opens again at once.
  Duration shortest = std::chrono::milliseconds(500);
  Duration longest = std::chrono::seconds(30);
};

}  // namespace baton::router
