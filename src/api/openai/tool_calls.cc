#include "tool_calls.h"

#include <utility>

namespace baton::api {

namespace {

constexpr size_t kMostCalls = 128;
/// Of ids where a template takes Mistral's.
constexpr size_t kMistralIdBytes = 9;

/// An id as the template takes it: conversations may have begun on other servers.
std::string TemplateId(const ChatFormat& format, const std::string& id) {
  if (format.tools != ToolFormat::kMistral || id.size() <= kMistralIdBytes) return id;
  return id.substr(id.size() - kMistralIdBytes);
}

void DropNull(Json& message, const char* name) {
  const auto member = message.find(name);
  if (member != message.end() && member->is_null()) message.erase(member);
}

/// The arguments, which clients send as JSON text, as the template wants them.
void ReadArguments(JsonFields& fields, const ServedModel& model, const std::string& param,
                   Json& function) {
  const auto arguments = function.find("arguments");
  if (arguments == function.end() || arguments->is_null()) {
    function["arguments"] = model.format.arguments_as_text ? Json("{}") : Json::object();
    return;
  }
  if (arguments->is_object()) {
    if (model.format.arguments_as_text) *arguments = arguments->dump();
    return;
  }
  if (!arguments->is_string()) return fields.FailType(param, "JSON text", *arguments);
  if (model.format.arguments_as_text) return;
  const std::string& text = arguments->get_ref<const std::string&>();
  Json parsed = Json::object();
  const bool blank = text.find_first_not_of(" \n\r\t") == std::string::npos;
  if (!blank && ParseBody(text, model.options.limits.json_depth, parsed))
    return fields.Fail(param, "'" + param + "' is not the JSON text of an object");
  *arguments = std::move(parsed);
}

void ReadCall(JsonFields& fields, const ServedModel& model, const std::string& param, Json& call) {
  if (!call.is_object()) return fields.FailType(param, "an object", call);
  if (!call.contains("type")) call["type"] = "function";
  if (call["type"] != "function")
    return fields.Fail(param + ".type", "'" + param + ".type' must be 'function'");
  const Json id = call.value("id", Json());
  if (!id.is_string()) return fields.Fail(param + ".id", "'" + param + ".id' must be a string");
  call["id"] = TemplateId(model.format, id.get<std::string>());
  const auto function = call.find("function");
  if (function == call.end() || !function->is_object())
    return fields.Fail(param + ".function", "'" + param + ".function' must be an object");
  if (!function->value("name", Json()).is_string())
    return fields.Fail(param + ".function.name", "'" + param + ".function.name' must be a string");
  ReadArguments(fields, model, param + ".function.arguments", *function);
}

void ReadCalls(JsonFields& fields, const ServedModel& model, const std::string& param,
               Json& message) {
  DropNull(message, "tool_calls");
  DropNull(message, "function_call");
  if (message.contains("function_call"))
    return fields.Fail(param + ".function_call",
                       "'function_call' is deprecated and not supported; use 'tool_calls'",
                       "unsupported_parameter");
  const auto calls = message.find("tool_calls");
  if (calls == message.end()) return;
  const std::string name = param + ".tool_calls";
  if (!calls->is_array()) return fields.FailType(name, "an array of calls", *calls);
  if (calls->size() > kMostCalls)
    return fields.Fail(name, "'" + name + "' takes at most " + std::to_string(kMostCalls) +
                                 " calls, got " + std::to_string(calls->size()));
  // Templates ask whether there is the member, not whether it has any.
  if (calls->empty()) {
    message.erase(calls);
    return;
  }
  if (!model.format.shows_calls)
    return fields.Fail(name,
                       "'" + name + "' is not supported: the chat template of the model '" +
                           model.options.model + "' does not show calls of tools",
                       "unsupported_parameter");
  for (size_t i = 0; i < calls->size() && !fields.error(); ++i)
    ReadCall(fields, model, name + "[" + std::to_string(i) + "]", (*calls)[i]);
}

/// Templates know it by either name.
void ReadReasoning(JsonFields& fields, const std::string& param, Json& message) {
  DropNull(message, "reasoning");
  DropNull(message, "reasoning_content");
  for (const auto& [name, other] :
       {std::pair("reasoning", "reasoning_content"), std::pair("reasoning_content", "reasoning")}) {
    const auto text = message.find(name);
    if (text == message.end()) continue;
    if (!text->is_string()) return fields.FailType(param + "." + name, "a string", *text);
    const std::string copy = text->get<std::string>();
    if (!message.contains(other)) message[other] = copy;
  }
}

}  // namespace

void ReadToolCalls(JsonFields& fields, const ServedModel& model, const std::string& param,
                   Json& message) {
  if (message["role"] == "assistant") {
    ReadReasoning(fields, param, message);
    ReadCalls(fields, model, param, message);
  } else if (message["role"] == "tool") {
    const Json id = message.value("tool_call_id", Json());
    if (!id.is_string())
      return fields.Fail(param + ".tool_call_id", "'" + param + ".tool_call_id' must be a string");
    message["tool_call_id"] = TemplateId(model.format, id.get<std::string>());
  }
}

}  // namespace baton::api
