#pragma once

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

/// Reads what the output must be (response_format, and the fields that others have for regular
/// expressions, choices, schemas and grammars) into `plan.grammar`. At most one may be given.
void ReadConstraint(JsonFields& fields, const ServedModel& model, CompletionPlan& plan);

}  // namespace baton::api
