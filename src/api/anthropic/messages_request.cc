#include <string>

#include "../readers.h"
#include "baton/api/dialect.h"

namespace baton::api {

namespace {

/// Makes the messages of a chat of Anthropic's.
class MessagesTranslation : public ChatMessages {
 public:
  using ChatMessages::ChatMessages;

  void System() {
    const Json* system = fields_.Find("system");
    if (system == nullptr) return;
    Json text = TranslateText(fields_, "system", *system, {"text"});
    Add({{"role", "system"}, {"content", std::move(text)}}, "system");
    chat_.Call(Here() + ".content", "system");
  }

  void Messages() {
    const Json* given = fields_.Find("messages");
    if (given == nullptr) return fields_.Fail("messages", "'messages' is missing");
    if (!given->is_array() || given->empty())
      return fields_.Fail("messages", "'messages' must be an array of at least one message");
    for (size_t i = 0; i < given->size() && !fields_.error(); ++i)
      Message((*given)[i], "messages[" + std::to_string(i) + "]");
    if (!fields_.error() && messages.back()["role"] == "assistant")
      fields_.Fail("messages",
                   "the last of 'messages' is the assistant's; continuing it is not supported",
                   "unsupported_parameter");
  }

 private:
  void Message(const Json& message, const std::string& param) {
    if (!message.is_object()) return fields_.FailType(param, "an object", message);
    JsonFields own(message, param + ".");
    const std::string role = RequireString(own, "role");
    const Json* content = own.Find("content");
    if (!own.error() && role != "user" && role != "assistant")
      own.Fail("role", "'" + param + ".role' must be user or assistant");
    if (content == nullptr) own.Fail("content", "'" + param + ".content' is missing");
    if (own.error()) {
    } else if (content->is_string()) {
      Add({{"role", role}, {"content", *content}}, param);
    } else if (!content->is_array()) {
      own.FailType("content", "a string or an array of blocks", *content);
    } else {
      Blocks(*content, role, param + ".content");
    }
    if (own.error()) fields_.Fail(*own.error());
  }

  /// A user's blocks become messages of text and of tools' results, an assistant's one message.
  void Blocks(const Json& blocks, const std::string& role, const std::string& param) {
    if (role == "assistant" || blocks.empty())
      Add({{"role", role}, {"content", Json::array()}}, param);
    bool open = !messages.empty() && (role == "assistant" || blocks.empty());
    for (size_t i = 0; i < blocks.size() && !fields_.error(); ++i) {
      const std::string name = param + "[" + std::to_string(i) + "]";
      if (!blocks[i].is_object()) return fields_.FailType(name, "an object", blocks[i]);
      JsonFields own(blocks[i], name + ".");
      const std::string type = RequireString(own, "type");
      if (own.error()) {
      } else if (type == "text") {
        if (!std::exchange(open, true)) Add({{"role", role}, {"content", Json::array()}}, name);
        messages.back()["content"].push_back(
            {{"type", "text"}, {"text", RequireString(own, "text")}});
      } else if (type == "tool_result" && role == "user") {
        ToolResult(own, name);
        open = false;
      } else if (type == "tool_use" && role == "assistant") {
        ToolUse(own, name);
      } else if (type == "thinking" && role == "assistant") {
        Thinking(own);
      } else if (type != "redacted_thinking" || role != "assistant") {
        std::string message = "'" + name + "' is of type '" + type + "', which ";
        message += role + "'s messages cannot have here: only text";
        message += role == "user" ? " and tool_result" : ", thinking and tool_use";
        own.Fail("type", message + " are supported");
      }
      if (own.error()) return fields_.Fail(*own.error());
    }
  }

  void ToolResult(JsonFields& own, const std::string& param) {
    const std::string id = RequireString(own, "tool_use_id");
    const Json* content = own.Find("content");
    Json text = content == nullptr ? Json("") : TranslateText(own, "content", *content, {"text"});
    bool failed = false;
    own.Bool("is_error", failed);
    Add({{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(text)}}, param);
    chat_.Call(Here() + ".tool_call_id", param + ".tool_use_id");
  }

  void ToolUse(JsonFields& own, const std::string& param) {
    const std::string id = RequireString(own, "id");
    const std::string name = RequireString(own, "name");
    const Json* input = own.Find("input");
    if (input == nullptr || !input->is_object())
      return own.Fail("input", "'" + param + ".input' must be an object");
    Json& calls = messages.back()["tool_calls"];
    calls.push_back({{"id", id},
                     {"type", "function"},
                     {"function", {{"name", name}, {"arguments", input->dump()}}}});
    const std::string here = Here() + ".tool_calls[" + std::to_string(calls.size() - 1) + "]";
    chat_.Call(here, param);
    chat_.Call(here + ".function", param);
    chat_.Call(here + ".function.arguments", param + ".input");
  }

  void Thinking(JsonFields& own) {
    const std::string thinking = RequireString(own, "thinking");
    Json& message = messages.back();
    message["reasoning_content"] = message.value("reasoning_content", std::string()) + thinking;
  }
};

void TranslateTool(JsonFields& own, Json& tools) {
  std::string type = "custom";
  own.String("type", type);
  if (type != "custom")
    return own.Fail("type",
                    "'" + own.Path("type") + "' must be 'custom', got '" + type +
                        "': this server has no tools of its own",
                    "unsupported_parameter");
  Json function = {{"name", RequireString(own, "name")}};
  if (const Json* description = own.Find("description")) function["description"] = *description;
  const Json* schema = own.Find("input_schema");
  if (schema == nullptr)
    return own.Fail("input_schema", "'" + own.Path("input_schema") + "' is missing");
  function["parameters"] = *schema;
  if (const Json* strict = own.Find("strict")) function["strict"] = *strict;
  tools.push_back({{"type", "function"}, {"function", std::move(function)}});
}

void TranslateTools(JsonFields& fields, ChatTranslation& chat) {
  const Json* tools = fields.Find("tools");
  if (tools == nullptr) return;
  if (!tools->is_array()) return fields.FailType("tools", "an array of tools", *tools);
  if (tools->empty()) return;
  Json& translated = chat["tools"] = Json::array();
  for (size_t i = 0; i < tools->size() && !fields.error(); ++i) {
    const std::string param = "tools[" + std::to_string(i) + "]";
    if (!(*tools)[i].is_object()) return fields.FailType(param, "an object", (*tools)[i]);
    JsonFields own((*tools)[i], param + ".");
    TranslateTool(own, translated);
    chat.Call(param + ".function", param);
    chat.Call(param + ".function.parameters", param + ".input_schema");
    if (own.error()) return fields.Fail(*own.error());
  }
}

void TranslateToolChoice(JsonFields& fields, ChatTranslation& chat) {
  const Json* choice = fields.Find("tool_choice");
  if (choice == nullptr) return;
  if (!choice->is_object()) return fields.FailType("tool_choice", "an object", *choice);
  JsonFields own(*choice, "tool_choice.");
  const std::string type = RequireString(own, "type");
  bool serial = false;
  own.Bool("disable_parallel_tool_use", serial);
  if (own.error()) {
  } else if (type == "auto" || type == "none") {
    chat["tool_choice"] = type;
  } else if (type == "any") {
    chat["tool_choice"] = "required";
  } else if (type == "tool") {
    chat["tool_choice"] = {{"type", "function"},
                           {"function", {{"name", RequireString(own, "name")}}}};
    chat.Call("tool_choice.function", "tool_choice");
  } else {
    own.Fail("type", "'tool_choice.type' must be auto, any, tool or none");
  }
  if (serial) chat["parallel_tool_calls"] = false;
  if (own.error()) fields.Fail(*own.error());
}

/// Anthropic's models think only when asked to.
void TranslateThinking(JsonFields& fields, ChatTranslation& chat) {
  const Json* thinking = fields.Find("thinking");
  std::string type = "disabled";
  if (thinking != nullptr) {
    if (!thinking->is_object()) return fields.FailType("thinking", "an object", *thinking);
    JsonFields own(*thinking, "thinking.");
    type = RequireString(own, "type");
    int32_t budget = 0;
    own.Int("budget_tokens", budget, 1);
    if (!own.error() && type != "enabled" && type != "disabled" && type != "adaptive")
      own.Fail("type", "'thinking.type' must be enabled, disabled or adaptive");
    if (own.error()) return fields.Fail(*own.error());
  }
  if (type == "disabled") chat["reasoning_effort"] = "none";
}

void TranslateOutputConfig(JsonFields& fields, ChatTranslation& chat) {
  const Json* config = fields.Find("output_config");
  if (config == nullptr) return;
  if (!config->is_object()) return fields.FailType("output_config", "an object", *config);
  JsonFields own(*config, "output_config.");
  const Json* format = own.Find("format");
  if (format == nullptr) return;
  if (!format->is_object() || format->value("type", Json()) != "json_schema")
    own.Fail("format", "'output_config.format' must be an object of type 'json_schema'");
  if (own.error()) return fields.Fail(*own.error());
  chat["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "output"}, {"schema", format->value("schema", Json())}}}};
  chat.Call("response_format", "output_config.format");
  chat.Call("response_format.json_schema", "output_config.format");
}

void TranslateStops(JsonFields& fields, ChatTranslation& chat) {
  const Json* stops = fields.Find("stop_sequences");
  if (stops == nullptr) return;
  if (!stops->is_array()) return fields.FailType("stop_sequences", "an array of strings", *stops);
  chat.Rename(fields, "stop_sequences", "stop");
}

void CheckMetadata(JsonFields& fields) {
  const Json* metadata = fields.Find("metadata");
  if (metadata != nullptr && !metadata->is_object())
    fields.FailType("metadata", "an object", *metadata);
}

void RefuseServers(JsonFields& fields) {
  for (const char* name : {"mcp_servers", "container"}) {
    const Json* field = fields.Find(name);
    if (field != nullptr && !field->empty())
      fields.Fail(name, "'" + std::string(name) + "' is not supported", "unsupported_parameter");
  }
}

}  // namespace

void TranslateMessages(JsonFields& fields, bool counts_only, ChatTranslation& chat) {
  MessagesTranslation input(fields, chat);
  input.System();
  input.Messages();
  chat["messages"] = std::move(input.messages);
  chat.Rename(fields, "max_tokens", "max_completion_tokens");
  chat.Call("max_tokens", "max_tokens");
  if (!counts_only && fields.Find("max_tokens") == nullptr)
    fields.Fail("max_tokens", "'max_tokens' is missing");
  TranslateTools(fields, chat);
  TranslateToolChoice(fields, chat);
  TranslateThinking(fields, chat);
  TranslateOutputConfig(fields, chat);
  TranslateStops(fields, chat);
  CheckMetadata(fields);
  RefuseServers(fields);
  chat.Pass(fields, {"model", "stream", "temperature", "top_p", "top_k"});
  // Of Baton's own, as chat completions have them.
  chat.Pass(fields, {"baton", "cache_salt", "chat_template_kwargs", "frequency_penalty",
                     "ignore_eos", "logit_bias", "min_p", "min_tokens", "presence_penalty",
                     "priority", "repetition_penalty", "seed", "stop_token_ids"});
  for (const char* name : {"service_tier", "context_management"}) fields.Ignore(name);
}

std::optional<ApiError> ReadCountTokens(std::string_view body, const ServedModel& model,
                                        int64_t& tokens) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  ChatTranslation chat;
  TranslateMessages(fields, /*counts_only=*/true, chat);
  if (fields.error()) return fields.error();
  JsonFields translated(chat.chat());
  TokenizeRequest request;
  if (const auto error = ReadTokenize(translated, model, request)) return chat.InOwnNames(*error);
  tokens = static_cast<int64_t>(request.tokens.size());
  return std::nullopt;
}

}  // namespace baton::api
