#include "baton/loadgen/request_body.h"

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::ordered_json;

Json Message(const char* role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

}  // namespace

Status CheckExtraFields(const std::string& text) {
  const bool shallow = JsonNesting(text) <= kMaxJsonNesting;
  if (shallow && Json::parse(text, nullptr, /*allow_exceptions=*/false).is_object()) {
    return OkStatus();
  }
  return InvalidArgument("'" + text + "' is no JSON object; write e.g. {\"top_p\": 0.9}");
}

std::string CompletionPath(const RequestFormat& format) {
  return format.chat ? "/v1/chat/completions" : "/v1/completions";
}

std::string CompletionBody(const RequestFormat& format, const Prompt& prompt) {
  Json body = {{"model", format.model},
               {"max_tokens", prompt.output_tokens},
               {"temperature", format.temperature},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (format.ignore_eos) body["ignore_eos"] = true;
  if (format.chat) {
    Json messages = Json::array();
    if (!prompt.shared.empty()) messages.push_back(Message("system", prompt.shared));
    messages.push_back(Message("user", prompt.text));
    body["messages"] = std::move(messages);
  } else {
    body["prompt"] = prompt.shared + prompt.text;
  }
  body.update(Json::parse(format.extra));
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace baton::loadgen
