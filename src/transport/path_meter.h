#pragma once

#include <array>
#include <optional>
#include <vector>

#include "baton/transport/path.h"
#include "baton/transport/transport.h"

namespace baton::transport {

/// Learns what puts on a path cost from the first large transfers: cuts a little off their front,
/// in three parts of different shapes that are put and timed one after the other.
class PathMeter {
 public:
  static constexpr size_t kParts = 3;
  using Parts = std::array<std::vector<Descriptor>, kParts>;

  /// Whether this transfer is to be measured: it is large enough, and not enough were before it.
  bool Wants(const std::vector<Descriptor>& pieces) const;
  /// Moves the parts from the front of `pieces`. REQUIRES: Wants.
  Parts Cut(std::vector<Descriptor>& pieces);
  /// How long a part took, from its first put until it was known to be done.
  void Took(size_t part, Duration time);

  /// None before a transfer was measured.
  std::optional<PathCost> cost() const;

 private:
  /// What the same part of all transfers has in common, and the least time of any: nothing takes
  /// less than it costs, but a busy host often takes more.
  struct Part {
    int64_t puts = 0;
    int64_t bytes = 0;
    std::optional<Duration> least;
  };
  std::array<Part, kParts> parts_;
  int transfers_ = 0;
};

}  // namespace baton::transport
