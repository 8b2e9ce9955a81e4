#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "baton/api/error.h"
#include "baton/api/scaling.h"

namespace baton::api {

/// Reads the body of POST /scale. *Threads*: any.
std::optional<ApiError> ReadScale(std::string_view body, int json_depth, ScaleRequest& request);
std::string ScaleJson(const ScaleState& state);

}  // namespace baton::api
