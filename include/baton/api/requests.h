#pragma once

#include <optional>
#include <string_view>

#include "baton/api/completion_plan.h"
#include "baton/api/error.h"

namespace baton::api {

/// Reads the body of POST /v1/completions into `plan`. *Threads*: any.
std::optional<ApiError> ReadTextCompletion(std::string_view body, const ServedModel& model,
                                           CompletionPlan& plan);

/// Reads the body of POST /v1/chat/completions into `plan`. *Threads*: any.
std::optional<ApiError> ReadChatCompletion(std::string_view body, const ServedModel& model,
                                           CompletionPlan& plan);

}  // namespace baton::api
