#pragma once

#include <string>

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

/// Checks what `message`, which the request calls `param`, says of calls of tools, of their results
/// and of reasoning, and makes it what the model's template wants. `message` has a known role.
void ReadToolCalls(JsonFields& fields, const ServedModel& model, const std::string& param,
                   Json& message);

}  // namespace baton::api
