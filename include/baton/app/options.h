#pragma once

#include <string>
#include <vector>

#include "baton/api/api_options.h"
#include "baton/app/command_line.h"
#include "baton/base/status.h"
#include "baton/config/config.h"
#include "baton/grpc/grpc_options.h"
#include "baton/http/http_options.h"
#include "baton/model/model_config.h"
#include "baton/router/router.h"
#include "baton/worker/worker.h"

namespace baton::app {

/// What the configuration and the flags say to a worker. Fails with InvalidArgument for flags that
/// cannot be read.
Result<worker::WorkerOptions> ToWorkerOptions(const config::Config& config,
                                              const WorkerFlags& flags, int32_t available_cores);

/// `workers` come beside those configured; one of the same name replaces it.
Result<router::RouterOptions> ToRouterOptions(const config::Config& config,
                                              const std::vector<std::string>& workers);

/// What finds workers as the configuration says; null where none but those it names are looked for.
/// `clock` outlives it.
Result<std::unique_ptr<discovery::Source>> MakeSource(const config::Config& config,
                                                      const Clock& clock);

/// Without what only the model knows.
api::ApiOptions ToApiOptions(const config::Config& config);

http::HttpOptions ToHttpOptions(const config::Config& config);
/// REQUIRES: the configuration has an admin port.
http::HttpOptions ToAdminOptions(const config::Config& config);
/// REQUIRES: the configuration has a gRPC port.
grpc::GrpcOptions ToGrpcOptions(const config::Config& config);

/// What a model recommends where a request says nothing.
SamplingParams ToSamplingDefaults(const model::GenerationConfig& generation);

}  // namespace baton::app
