#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/role.h"
#include "baton/base/status.h"

namespace baton::api {

/// How many workers have each role.
struct RoleCounts {
  int32_t prefill = 0;
  int32_t decode = 0;
  int32_t mixed = 0;

  int32_t total() const { return prefill + decode + mixed; }
  int32_t& of(Role role) {
    return role == Role::kPrefill ? prefill : role == Role::kDecode ? decode : mixed;
  }
  int32_t of(Role role) const { return RoleCounts(*this).of(role); }
  bool operator==(const RoleCounts&) const = default;
};

/// "3 prefill + 1 decode", without the roles that nobody has.
std::string DescribeCounts(const RoleCounts& counts);

/// Asks for other roles of the workers that are there.
struct ScaleRequest {
  RoleCounts wanted;
  /// Says what would be done.
  bool dry_run = false;
  /// What running requests of a worker get to finish before it changes all the same.
  Duration patience = std::chrono::seconds(30);
  /// For all of it; then the change under way is called off.
  Duration timeout = std::chrono::minutes(10);
};

/// How far a change of roles is.
struct ScaleState {
  /// Of the change, from 1; 0: there was none.
  uint64_t number = 0;
  bool under_way = false;
  RoleCounts now;
  RoleCounts wanted;
  /// What was done, one sentence each.
  std::vector<std::string> lines;
  /// Why it ended before it was done.
  Status outcome;
};

}  // namespace baton::api
