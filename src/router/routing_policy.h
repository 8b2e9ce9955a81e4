#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baton/base/role.h"
#include "baton/base/status.h"
#include "baton/rpc/messages.h"

namespace baton::router {

/// A worker that can take requests, as a policy sees it.
struct WorkerView {
  std::string name;
  Role role = Role::kMixed;
  /// Requests of ours that it prefills or decodes now.
  int32_t load = 0;
  /// Decode workers: the prefill workers it is joined with.
  std::vector<std::string> joined_peers;
  /// Decode workers: why they are not joined with others.
  std::vector<rpc::JoinProblem> join_problems;
};

struct Choice {
  /// Decode or mixed worker.
  std::string worker;
  /// Prefill worker; empty when `worker` prefills itself.
  std::string prefill;
};

/// Picks the workers of a request. *Threads*: lives on the router's thread.
class RoutingPolicy {
 public:
  virtual ~RoutingPolicy() = default;
  /// Requests of one `session`, unless empty, get the same workers, which have cached what they
  /// share, as long as those have not much more to do than others.
  /// Fails with Unavailable, saying what is missing, when no complete group is there.
  Result<Choice> Choose(const std::vector<WorkerView>& workers, const std::string& session = {});

  /// OK when Choose() would find a complete group, else why not.
  static Status Possible(const std::vector<WorkerView>& workers);

  /// Fails with InvalidArgument unless `name` is "round_robin" or "least_loaded".
  static Result<std::unique_ptr<RoutingPolicy>> Make(const std::string& name);

 private:
  const WorkerView& Pick(const std::vector<const WorkerView*>& candidates,
                         const std::string& session);
  /// One of at least one candidate.
  virtual const WorkerView& Pick(const std::vector<const WorkerView*>& candidates) = 0;
};

}  // namespace baton::router
