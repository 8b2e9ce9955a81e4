#pragma once

#include <memory>
#include <vector>

#include "baton/model/rank_runner.h"

namespace baton::model {

/// A StepRunner over the tensor-parallel ranks of a worker, or of one of its nodes: a RankRunner
/// each, the first on the engine thread, the others on threads of their own. They take the same
/// steps with the same block ids, each with its shard of the model and its own cache; tokens are
/// drawn on rank 0. KV counts as written once all ranks have written it. When one rank fails, all
/// steps fail. *Threads*: lives on the engine thread.
class ParallelRunner : public StepRunner {
 public:
  /// By rank, neighbours; each has the model's shard of its rank, and its communicator of one
  /// group. Fails as RankRunner does.
  static Result<std::unique_ptr<ParallelRunner>> Create(const std::vector<RankRunner::Parts>& ranks,
                                                        const StepLimits& limits);
};

}  // namespace baton::model
