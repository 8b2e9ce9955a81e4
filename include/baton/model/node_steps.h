#pragma once

#include <memory>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/model/step_runner.h"
#include "baton/nodes/link.h"

namespace baton::model {

/// A StepRunner over the nodes of a worker, for the one that has the engine and rank 0, the leader:
/// it tells the others, the followers, of each step, and computes its own part by `own`. KV counts
/// as written once all nodes have written it. When one node fails or is lost, all steps fail.
/// Waits until all followers are ready; fails as the first that is lost before. `group` is its
/// part of the group of all ranks, which it aborts. Steps are not recorded.
Result<std::unique_ptr<StepRunner>> MakeLeaderRunner(
    std::unique_ptr<StepRunner> own, std::vector<std::shared_ptr<nodes::Link>> followers,
    collective::Communicator& group);

/// A follower's part: says that it is ready and takes the leader's steps, with the same block ids,
/// until the link ends. Always fails, with how it ended. `group` as above.
Status FollowSteps(StepRunner& runner, nodes::Link& leader, collective::Communicator& group);

}  // namespace baton::model
