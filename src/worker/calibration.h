#pragma once

#include <vector>

#include "baton/cost/step_model.h"
#include "baton/engine/engine.h"
#include "baton/model/model.h"
#include "baton/model/step_runner.h"

namespace baton::worker {

/// What an engine needs that nobody uses yet.
struct CalibrationBench {
  const model::Model& model;
  model::StepRunner& runner;
  Clock& clock;
};

/// Has an engine of its own take some prefill and decode steps of the sizes that `options` allows,
/// and tells what they took: for at most `budget`, a step under way aside, and once both kinds are
/// known none that by what is known would take longer. What is in the cache's memory afterwards
/// means nothing. Blocks; on the thread that calls. Empty where nothing fits.
std::vector<cost::StepSample> Calibrate(engine::EngineOptions options, CalibrationBench bench,
                                        Duration budget);

}  // namespace baton::worker
