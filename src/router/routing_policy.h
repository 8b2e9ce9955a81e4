#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "worker_view.h"

namespace baton::router {

struct Choice {
  /// Decode or mixed worker; or a prefill worker that shall generate, too.
  std::string worker;
  /// Prefill worker; empty when `worker` prefills itself.
  std::string prefill;
  /// A word for why so; empty: for no other reason than their roles.
  std::string reason = {};
  /// Foretold, from now on; zero where nothing is known.
  Duration ttft{};
  /// `worker` does what others are there for, which are not there.
  bool fallback = false;
};

/// Picks one worker out of several of one kind. *Threads*: lives on the router's thread.
class Picker {
 public:
  using Candidates = std::vector<const WorkerView*>;

  virtual ~Picker() = default;
  /// One of at least one candidate.
  virtual const WorkerView& Pick(const Candidates& candidates) = 0;

  /// Those whose load is not much more than twice the idlest one's; at least that one.
  static Candidates NotOverloaded(const Candidates& candidates);

  /// Null unless `name` is round_robin, least_loaded, power_of_two or prefix_aware.
  static std::unique_ptr<Picker> Make(const std::string& name);
};

/// Picks the workers of a request. *Threads*: lives on the router's thread.
class RoutingPolicy {
 public:
  /// Fails with Unavailable, saying what is missing, when no complete group is there.
  Result<Choice> Choose(const std::vector<WorkerView>& workers, const Query& query = {});

  /// The same for a prompt that `prefill` shall compute, with a decode worker that is joined with
  /// it.
  Result<Choice> ChoosePairOf(const WorkerView& prefill, const std::vector<WorkerView>& workers,
                              const Query& query = {});

  /// Whether a decode worker may be chosen to prefill, too.
  bool splits_by_cost() const { return weighs_ || weighs_prefill_; }

  /// OK when Choose() would find a complete group, else why not.
  static Status Possible(const std::vector<WorkerView>& workers);

  /// `name` chooses those that generate, `prefill` those that prefill for them; an empty one does
  /// as `name`. With "cost" for either, it is also weighed whether to split at all; until enough is
  /// known for that it does as "least_loaded".
  /// Fails with InvalidArgument unless both are known.
  static Result<std::unique_ptr<RoutingPolicy>> Make(const std::string& name,
                                                     const std::string& prefill = {});

 private:
  using Candidates = Picker::Candidates;

  const WorkerView& Pick(Picker& picker, const Candidates& candidates, const std::string& session);
  Choice Split(const Candidates& complete, const std::vector<WorkerView>& workers,
               const Query& query);

  /// Weighs costs for those that generate, and for those that prefill.
  bool weighs_ = false;
  bool weighs_prefill_ = false;
  std::unique_ptr<Picker> picker_;
  std::unique_ptr<Picker> prefill_picker_;
  size_t turn_ = 0;
};

}  // namespace baton::router
