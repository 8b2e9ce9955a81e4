#pragma once

#include <vector>

#include "baton/model/rank_runner.h"
#include "rank_threads.h"

namespace baton::model {

/// Calls a body for each rank, on that rank's thread; returns when all have returned.
using OnEachRank = std::function<void(const RankThreads::Body& body)>;

/// StepRunner::RecordAndWait() for these ranks, which go from size to size together.
Status RecordSizesAndWait(const std::vector<RankRunner*>& ranks, const OnEachRank& on_each,
                          const StepRunner::OnRecorded& on_recorded);

}  // namespace baton::model
