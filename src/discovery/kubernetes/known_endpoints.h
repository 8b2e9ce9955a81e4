#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/discovery/source.h"
#include "slice_table.h"

namespace baton::discovery {

/// Which addresses are taken for those of workers, by one view of the slices after the other.
class KnownEndpoints {
 public:
  /// For how long an address that no slice has must be in none before that is believed: one that
  /// moves between slices may leave the first before it is in the second.
  static constexpr Duration kMove = std::chrono::seconds(1);

  void Learn(const EndpointView& view, TimePoint now);
  /// Sorted.
  std::vector<Place> Places(TimePoint now);
  /// When there will be fewer, if nothing is learnt until then.
  TimePoint next() const;

 private:
  /// Each with since when no slice has it.
  std::map<std::string, std::optional<TimePoint>> addresses_;
};

}  // namespace baton::discovery
