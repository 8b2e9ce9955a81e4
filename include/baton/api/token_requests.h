#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/completion_plan.h"
#include "baton/api/error.h"

namespace baton::api {

/// What POST /tokenize asks for.
struct TokenizeRequest {
  std::vector<TokenId> tokens;
  /// The answer also has each token as text.
  bool token_strings = false;
};

/// Reads `prompt`, or `messages` as chat completions take them. *Threads*: any.
std::optional<ApiError> ReadTokenize(std::string_view body, const ServedModel& model,
                                     TokenizeRequest& request);

/// {"count", "max_model_len", "tokens", "token_strs"}, the last null unless asked for.
std::string TokenizeJson(const TokenizeRequest& request, const ServedModel& model);

/// Reads the `tokens` of POST /detokenize. *Threads*: any.
std::optional<ApiError> ReadDetokenize(std::string_view body, const ServedModel& model,
                                       std::vector<TokenId>& tokens);

}  // namespace baton::api
