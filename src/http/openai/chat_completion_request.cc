#include <limits>
#include <string>

#include "generation_fields.h"
#include "request.h"

namespace baton::http {

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

/// Templates expect a message's content to be one string.
void FlattenContent(JsonFields& fields, const std::string& param, Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    if (message["role"] != "assistant")
      return fields.Fail(param + ".content", "'" + param + ".content' is missing");
    message["content"] = "";
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
Json ReadMessages(JsonFields& fields) {
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
      FlattenContent(fields, param, message);
    }
  }
  return messages;
}

/// What the template sees: the messages and what `chat_template_kwargs` adds.
Json ReadTemplateContext(JsonFields& fields) {
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
  context["messages"] = ReadMessages(fields);
  context["add_generation_prompt"] = add_generation_prompt;
  return context;
}

void ReadPrompt(JsonFields& fields, const ServedModel& model, const PromptSource& source,
                CompletionPlan& plan) {
  if (model.chat_template == nullptr)
    return fields.Fail("messages", "the model '" + model.options.model +
                                       "' has no chat template; use /v1/completions");
  const Json context = ReadTemplateContext(fields);
  // The template writes the tokens that begin a text itself.
  text::EncodeOptions options{.add_special_tokens = false};
  fields.Bool("add_special_tokens", options.add_special_tokens);
  if (fields.error()) return;
  Result<std::string> rendered =
      model.chat_template->Render(context.dump(), model.clock.UnixSeconds());
  if (!rendered.ok()) {
    const Status status = rendered.status().WithContext("the chat template refuses the messages");
    return fields.Fail("messages", status.message());
  }
  PlannedPrompt prompt;
  prompt.text = *std::move(rendered);
  Tokenize(fields, model, options, source, prompt);
  FitToContext(fields, model, source, prompt);
  plan.prompts.push_back(std::move(prompt));
}

void ReadLogprobs(JsonFields& fields, SamplingParams& sampling) {
  bool logprobs = false;
  fields.Bool("logprobs", logprobs);
  int32_t top = 0;
  fields.Int("top_logprobs", top, 0, SamplingParams::kMaxTopLogprobs);
  if (top > 0 && !logprobs) fields.Fail("top_logprobs", "'top_logprobs' needs 'logprobs': true");
  if (logprobs) sampling.logprobs = top;
}

void RefuseUnsupported(JsonFields& fields) {
  for (const char* name : {"echo", "continue_final_message"}) {
    bool asked = false;
    fields.Bool(name, asked);
    if (asked)
      fields.Fail(name, "'" + std::string(name) + "' is not supported", "unsupported_parameter");
  }
  if (fields.Find("chat_template") != nullptr)
    fields.Fail("chat_template", "'chat_template' is the server's to choose",
                "unsupported_parameter");
}

}  // namespace

std::optional<ApiError> ReadChatCompletion(std::string_view body, const ServedModel& model,
                                           CompletionPlan& plan) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  plan.chat = true;
  ReadGenerationFields(fields, model, plan);
  ReadLogprobs(fields, plan.sampling);
  RefuseUnsupported(fields);
  PromptSource source{.param = "messages", .usual_max_tokens = std::numeric_limits<int32_t>::max()};
  fields.Int("max_tokens", source.max_tokens, 1);
  // The newer name wins.
  fields.Int("max_completion_tokens", source.max_tokens, 1);
  ReadPrompt(fields, model, source, plan);
  return FinishPlan(fields, model, plan);
}

}  // namespace baton::http
