#pragma once

#include <string>

#include "completion_plan.h"
#include "json_fields.h"

namespace baton::http {

/// The prompt that the model's chat template makes of `messages`, with `chat_template_kwargs` and
/// `add_generation_prompt`. Empty once `fields` has an error.
std::string RenderChat(JsonFields& fields, const ServedModel& model);

}  // namespace baton::http
