#pragma once

#include <vector>

#include "baton/api/completion_backend.h"
#include "fleet_state.h"
#include "worker_view.h"

namespace baton::router {

/// Whether a complete group of workers of one model is there; `discovery`: whether workers can be
/// looked for.
api::Readiness ReadinessOf(const std::vector<WorkerView>& workers, const Status& discovery);

/// What keeps each worker from taking requests.
std::vector<api::ReadinessCheck> ChecksOf(const std::vector<WorkerState>& workers);

}  // namespace baton::router
