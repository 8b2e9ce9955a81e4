#pragma once

#include <string>

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

/// The prompt that the model's chat template makes of `messages` and `tools` (null for none), with
/// `chat_template_kwargs`, `reasoning_effort` and `add_generation_prompt`. Empty once `fields` has
/// an error.
std::string RenderChat(JsonFields& fields, const ServedModel& model, const Json& tools);

}  // namespace baton::api
