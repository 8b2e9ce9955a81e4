#pragma once

#include <optional>
#include <string>
#include <vector>

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

/// Refuses a `model` that is not the one served.
void ReadModel(JsonFields& fields, const ServedModel& model);

/// Appends the token ids in `array`, the value of `param`.
void ReadTokenIds(JsonFields& fields, const std::string& param, const Json& array,
                  const ServedModel& model, std::vector<TokenId>& tokens);

/// Reads what both completion routes have in common, and refuses by name what would change the
/// output but is not supported. Errors stay in `fields`.
void ReadGenerationFields(JsonFields& fields, const ServedModel& model, CompletionPlan& plan);

/// Where a prompt stands in the request, and how many tokens are wanted behind it.
struct PromptSource {
  /// For error messages.
  std::string param;
  /// Where the request leaves it open: `usual_max_tokens`, or what the context leaves.
  std::optional<int32_t> max_tokens = {};
  int32_t usual_max_tokens = 0;
};

/// Tokenizes `prompt.text`, unless it is sure to exceed the context.
void Tokenize(JsonFields& fields, const ServedModel& model, const text::EncodeOptions& options,
              const PromptSource& source, PlannedPrompt& prompt);

/// Sets the prompt's max_tokens and checks that both fit into the context.
void FitToContext(JsonFields& fields, const ServedModel& model, const PromptSource& source,
                  PlannedPrompt& prompt);

/// The last checks, once all fields are read: the sampling parameters as a whole.
std::optional<ApiError> FinishPlan(JsonFields& fields, const ServedModel& model,
                                   CompletionPlan& plan);

}  // namespace baton::api
