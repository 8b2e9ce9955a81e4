#pragma once

#include <vector>

#include "baton/api/scaling.h"
#include "role_capacity.h"

namespace baton::router {

/// What a fleet with these roles could serve.
struct RatioOutlook {
  api::RoleCounts counts;
  /// Requests a second that keep their SLOs.
  double capacity_per_s = 0;
  // What those are per second that each role's workers could have, of all requests; 0: no workers.
  double prefill_per_s = 0;
  double decode_per_s = 0;
  double mixed_per_s = 0;
};

/// What every possible assignment of roles to so many workers could serve, of requests like some
/// that were. `by_cost`: decode workers prefill themselves what pays there, and prefill workers
/// decode what no decode worker can; a pair so does what two mixed workers could, and those are
/// not planned for.
/// *Threads*: immutable.
class RatioPlan {
 public:
  RatioPlan(const std::vector<RequestSample>& requests, const std::vector<WorkerSpeed>& workers,
            bool by_cost);

  /// REQUIRES: as many as there are workers.
  RatioOutlook Of(const api::RoleCounts& counts) const;
  /// The one that could serve most; of those that are within a twentieth of it, the one with the
  /// fewest changes from `now`.
  RatioOutlook Best(const api::RoleCounts& now) const;

 private:
  static constexpr int kMostShares = 4;

  bool by_cost_;
  /// Of a worker by how many share the queue, from one to kMostShares, beyond which it matters
  /// little.
  std::vector<double> prefill_;
  std::vector<double> mixed_;
  /// By the part of prompts that stay on a decode worker, in tenths; one entry where none does.
  std::vector<double> decode_;
};

}  // namespace baton::router
