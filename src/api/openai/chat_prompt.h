#pragma once

#include <string>

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

/// The prompt that the model's chat template makes of `messages`, with `chat_template_kwargs` and
/// `add_generation_prompt`. Empty once `fields` has an error.
std::string RenderChat(JsonFields& fields, const ServedModel& model);

}  // namespace baton::api
