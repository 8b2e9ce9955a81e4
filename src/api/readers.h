#pragma once

#include <optional>

#include "baton/api/completion_plan.h"
#include "baton/api/dialect.h"
#include "baton/api/error.h"
#include "baton/api/token_requests.h"
#include "chat_translation.h"
#include "json_fields.h"

namespace baton::api {

/// The readers of bodies that have been parsed: `fields` knows afterwards which there are.
std::optional<ApiError> ReadTextCompletion(JsonFields& fields, const ServedModel& model,
                                           CompletionPlan& plan);
std::optional<ApiError> ReadChatCompletion(JsonFields& fields, const ServedModel& model,
                                           CompletionPlan& plan);
std::optional<ApiError> ReadTokenize(JsonFields& fields, const ServedModel& model,
                                     TokenizeRequest& request);
std::optional<ApiError> ReadDetokenize(JsonFields& fields, const ServedModel& model,
                                       std::vector<TokenId>& tokens);

/// Makes a Response's request the chat completion's. Errors stay in `fields`.
void TranslateResponses(JsonFields& fields, ChatTranslation& chat);
/// What a Response repeats of its request, as DialectRequest has it. REQUIRES: `fields` was read
/// without an error.
std::string EchoOfResponses(JsonFields& fields, const CompletionPlan& plan);
/// Makes a Message's request the chat completion's. Errors stay in `fields`. Counting tokens asks
/// for no output: `max_tokens` may be absent.
void TranslateMessages(JsonFields& fields, bool counts_only, ChatTranslation& chat);

/// Reads `chat` as a chat completion; errors have the names of `fields`, whose form it was.
std::optional<ApiError> ReadTranslated(JsonFields& fields, const ChatTranslation& chat,
                                       const ServedModel& model, CompletionPlan& plan);

/// Counts the fields that no reader knows.
void CountUnknown(const JsonFields& fields, const ServedModel& model);

}  // namespace baton::api
