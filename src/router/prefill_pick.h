#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/request/request.h"
#include "routing_policy.h"

namespace baton::router {

/// What became of a pick.
enum class PickOutcome : uint8_t {
  kFollowed,
  /// Whoever made it is not to be followed.
  kUntrusted,
  /// No "host:port".
  kMalformed,
  /// Nobody is there, or several are at that host and none at that port.
  kUnknown,
  /// Whoever is there does not prefill for others.
  kOtherRole,
  /// Requests fail there, one after the other.
  kFailing,
  /// No worker that may generate is joined with it: it has another model, say.
  kNotJoined,
};
constexpr size_t kPickOutcomes = 7;
std::string_view PickOutcomeName(PickOutcome outcome);

struct PickedWorker {
  /// Null where the outcome says why there is none.
  const WorkerView* worker = nullptr;
  PickOutcome outcome = PickOutcome::kFollowed;
};

/// The prefill worker at `endpoint`. A gateway knows the port at which workers answer clients, not
/// the one at which routers ask them, so that a host at which there is one worker is enough.
PickedWorker FindPicked(std::string_view endpoint, const std::vector<WorkerView>& workers);

/// A choice, if one is possible, and what became of the pick, if there was one.
struct PlacedChoice {
  std::optional<Choice> choice;
  std::optional<PickOutcome> pick;
};

/// Whom a request goes to that somebody before the router placed: by the prefill worker that he
/// picked, and by the worker `own`, unless empty, at which the request arrived and which then
/// generates. `healthy` says of whom requests may be expected to succeed. Without a choice the
/// policy is to choose among all.
PlacedChoice ChoosePlaced(RoutingPolicy& policy, const std::vector<WorkerView>& workers,
                          const Query& query, const PrefillPick& pick, const std::string& own,
                          const std::function<bool(const WorkerView&)>& healthy);

}  // namespace baton::router
