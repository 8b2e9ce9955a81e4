#include "chat_prompt.h"

#include <algorithm>
#include <string_view>

#include "tool_calls.h"

namespace baton::api {

namespace {

bool IsRole(const std::string& role) {
  for (const char* known : {"system", "developer", "user", "assistant", "tool", "function"})
    if (role == known) return true;
  return false;
}

/// The text of a content part, e.g. {"type": "text", "text": "..."}; null when it is no text.
const Json* TextOfPart(const Json& part) {
  if (part.is_string()) return &part;
  if (!part.is_object()) return nullptr;
  const auto type = part.find("type");
  if (type == part.end() || !type->is_string()) return nullptr;
  const auto text = part.find(*type == "refusal" ? "refusal" : "text");
  const bool known = *type == "text" || *type == "input_text" || *type == "refusal";
  return known && text != part.end() && text->is_string() ? &*text : nullptr;
}

/// Templates expect a message's content to be one string; some, that of a message which only calls
/// tools to be none.
void FlattenContent(JsonFields& fields, const ServedModel& model, const std::string& param,
                    Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    if (message["role"] != "assistant")
      return fields.Fail(param + ".content", "'" + param + ".content' is missing");
    const bool null = model.format.null_content && message.contains("tool_calls");
    message["content"] = null ? Json() : Json("");
    return;
  }
  if (content->is_string()) return;
  if (!content->is_array())
    return fields.FailType(param + ".content", "a string or an array of text parts", *content);
  std::string joined;
  for (const Json& part : *content) {
    const Json* text = TextOfPart(part);
    if (text == nullptr)
      return fields.Fail(param + ".content",
                         "'" + param +
                             ".content' has a part that is not text; only parts of type "
                             "'text' are supported");
    if (!joined.empty()) joined += '\n';
    joined += text->get_ref<const std::string&>();
  }
  *content = joined;
}

/// The messages as the template gets them.
Json ReadMessages(JsonFields& fields, const ServedModel& model) {
  const Json* value = fields.Find("messages");
  if (value == nullptr) {
    fields.Fail("messages", "'messages' is missing");
    return {};
  }
  if (!value->is_array() || value->empty()) {
    fields.Fail("messages", "'messages' must be an array of at least one message");
    return {};
  }
  Json messages = *value;
  for (size_t i = 0; i < messages.size() && !fields.error(); ++i) {
    const std::string param = "messages[" + std::to_string(i) + "]";
    Json& message = messages[i];
    if (!message.is_object()) {
      fields.FailType(param, "an object", message);
    } else if (const Json role = message.value("role", Json());
               !role.is_string() || !IsRole(role.get<std::string>())) {
      fields.Fail(param + ".role", "'" + param +
                                       ".role' must be system, developer, user, "
                                       "assistant, tool or function");
    } else {
      ReadToolCalls(fields, model, param, message);
      FlattenContent(fields, model, param, message);
    }
  }
  return messages;
}

/// Templates that know of efforts get the word; those that only know of thinking, whether to.
void ReadEffort(JsonFields& fields, Json& context) {
  std::string effort;
  fields.String("reasoning_effort", effort);
  if (effort.empty()) return;
  constexpr std::string_view kEfforts[] = {"none", "minimal", "low", "medium",
                                           "high", "xhigh",   "max"};
  if (std::ranges::find(kEfforts, effort) == std::end(kEfforts))
    return fields.Fail("reasoning_effort",
                       "'reasoning_effort' must be none, minimal, low, medium, high, xhigh or max");
  if (!context.contains("reasoning_effort")) context["reasoning_effort"] = effort;
  if (effort == "none" && !context.contains("enable_thinking")) context["enable_thinking"] = false;
}

/// What the template sees: messages and tools, and what `chat_template_kwargs` adds.
Json ReadTemplateContext(JsonFields& fields, const ServedModel& model, const Json& tools) {
  Json context = Json::object();
  if (const Json* extra = fields.Find("chat_template_kwargs"); extra != nullptr) {
    if (!extra->is_object()) {
      fields.FailType("chat_template_kwargs", "an object", *extra);
      return {};
    }
    context = *extra;
  }
  bool add_generation_prompt = true;
  fields.Bool("add_generation_prompt", add_generation_prompt);
  ReadEffort(fields, context);
  context["messages"] = ReadMessages(fields, model);
  if (!tools.is_null()) context["tools"] = tools;
  context["add_generation_prompt"] = add_generation_prompt;
  return context;
}

}  // namespace

std::string RenderChat(JsonFields& fields, const ServedModel& model, const Json& tools) {
  if (model.chat_template == nullptr) {
    fields.Fail("messages", "the model '" + model.options.model +
                                "' has no chat template; use /v1/completions");
    return {};
  }
  const Json context = ReadTemplateContext(fields, model, tools);
  if (fields.error()) return {};
  Result<std::string> rendered =
      model.chat_template->Render(context.dump(), model.clock.UnixSeconds());
  if (rendered.ok()) return *std::move(rendered);
  const Status status = rendered.status().WithContext("the chat template refuses the messages");
  fields.Fail("messages", status.message());
  return {};
}

}  // namespace baton::api
