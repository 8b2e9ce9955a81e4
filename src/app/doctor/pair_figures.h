#pragma once

#include <cstdint>
#include <string>

#include "baton/transport/path.h"

namespace baton::app {

/// What was measured between two processes, from the one that asked.
struct PairFigures {
  /// Whether the other is on another host.
  bool remote = false;
  transport::Path path;
  /// Put into the peer's memory, once it was written before.
  double bytes_per_s = 0;
  /// There and back, a message of 64 bytes, both sides awake: median.
  double round_trip_s = 0;
  /// The peer's wall clock less ours.
  double clock_offset_s = 0;
};

}  // namespace baton::app
