#include "baton/api/token_requests.h"

#include "../json_fields.h"
#include "../readers.h"
#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"
#include "chat_prompt.h"
#include "generation_fields.h"
#include "tool_fields.h"

namespace baton::api {

std::optional<ApiError> ReadTokenize(std::string_view body, const ServedModel& model,
                                     TokenizeRequest& request) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  return ReadTokenize(fields, model, request);
}

std::optional<ApiError> ReadTokenize(JsonFields& fields, const ServedModel& model,
                                     TokenizeRequest& request) {
  ReadModel(fields, model);
  const bool chat = fields.Find("messages") != nullptr;
  // A chat template writes the tokens that begin a text itself.
  text::EncodeOptions options{.add_special_tokens = !chat};
  fields.Bool("add_special_tokens", options.add_special_tokens);
  fields.Bool("return_token_strs", request.token_strings);
  std::string prompt;
  if (chat) {
    ToolFields tools;
    ReadToolFields(fields, model, tools);
    prompt = RenderChat(fields, model, tools.tools);
  } else if (fields.Find("prompt") == nullptr) {
    fields.Fail("prompt", "'prompt' or 'messages' is missing");
  } else {
    fields.String("prompt", prompt);
  }
  if (fields.error()) return fields.error();
  request.tokens = model.tokenizer.Encode(prompt, options);
  return std::nullopt;
}

std::string TokenizeJson(const TokenizeRequest& request, const ServedModel& model) {
  std::string out = R"({"count":)";
  AppendJsonInteger(out, static_cast<int64_t>(request.tokens.size()));
  out += R"(,"max_model_len":)";
  AppendJsonInteger(out, model.options.context_tokens);
  out += R"(,"tokens":[)";
  for (size_t i = 0; i < request.tokens.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonInteger(out, request.tokens[i]);
  }
  out += R"(],"token_strs":)";
  if (!request.token_strings) return out + "null}";
  out += '[';
  for (size_t i = 0; i < request.tokens.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, text::ToValidUtf8(model.tokenizer.TokenBytes(request.tokens[i])));
  }
  return out + "]}";
}

std::optional<ApiError> ReadDetokenize(std::string_view body, const ServedModel& model,
                                       std::vector<TokenId>& tokens) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  return ReadDetokenize(fields, model, tokens);
}

std::optional<ApiError> ReadDetokenize(JsonFields& fields, const ServedModel& model,
                                       std::vector<TokenId>& tokens) {
  ReadModel(fields, model);
  const Json* value = fields.Find("tokens");
  if (value == nullptr) {
    fields.Fail("tokens", "'tokens' is missing");
  } else if (!value->is_array()) {
    fields.FailType("tokens", "an array of token ids", *value);
  } else {
    ReadTokenIds(fields, "tokens", *value, model, tokens);
  }
  return fields.error();
}

}  // namespace baton::api
