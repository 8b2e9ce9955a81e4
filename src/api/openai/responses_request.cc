#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "../readers.h"
#include "baton/request/sampling_params.h"

namespace baton::api {

namespace {

/// Makes the messages of a chat of a response's input: what follows each other of an assistant's
/// reasoning, text and calls is one message there.
class InputTranslation : public ChatMessages {
 public:
  using ChatMessages::ChatMessages;

  void Instructions() {
    std::string text;
    fields_.String("instructions", text);
    if (fields_.Find("instructions") == nullptr) return;
    Add({{"role", "system"}, {"content", text}}, "instructions");
    chat_.Call(Here() + ".content", "instructions");
  }

  void Input() {
    const Json* input = fields_.Find("input");
    if (input == nullptr) return fields_.Fail("input", "'input' is missing");
    if (input->is_string()) return Add({{"role", "user"}, {"content", *input}}, "input");
    if (!input->is_array())
      return fields_.FailType("input", "a string or an array of items", *input);
    if (input->empty()) return fields_.Fail("input", "'input' must not be empty");
    for (size_t i = 0; i < input->size() && !fields_.error(); ++i)
      Item((*input)[i], "input[" + std::to_string(i) + "]");
  }

 private:
  void Item(const Json& item, const std::string& param) {
    if (!item.is_object()) return fields_.FailType(param, "an object", item);
    JsonFields own(item, param + ".");
    std::string type = item.contains("role") ? "message" : "";
    own.String("type", type);
    if (own.error()) {
    } else if (type == "message") {
      Message(own, param);
    } else if (type == "function_call") {
      Call(own, param);
    } else if (type == "function_call_output") {
      CallOutput(own, param);
    } else if (type == "reasoning") {
      Reasoning(own, param);
    } else {
      own.Fail("type", "'" + param +
                           ".type' must be message, function_call, function_call_output or "
                           "reasoning" +
                           (type.empty() ? "" : ", got '" + type + "'"));
    }
    if (own.error()) fields_.Fail(*own.error());
  }

  void Message(JsonFields& own, const std::string& param) {
    const std::string role = RequireString(own, "role");
    constexpr std::array kRoles = {"user", "assistant", "system", "developer"};
    if (!own.error() && std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end())
      own.Fail("role", "'" + param + ".role' must be user, assistant, system or developer");
    const Json* content = own.Find("content");
    if (content == nullptr) return own.Fail("content", "'" + param + ".content' is missing");
    Json text = TranslateContent(own, *content);
    if (own.error()) return;
    if (role == "assistant") {
      Assistant({"content", "tool_calls"}, param)["content"] = std::move(text);
    } else {
      Add({{"role", role}, {"content", std::move(text)}}, param);
    }
  }

  Json TranslateContent(JsonFields& own, const Json& content) {
    return TranslateText(own, "content", content, {"input_text", "output_text", "text"});
  }

  void Call(JsonFields& own, const std::string& param) {
    Json call = {{"id", RequireString(own, "call_id")}, {"type", "function"}};
    call["function"] = {{"name", RequireString(own, "name")},
                        {"arguments", RequireString(own, "arguments")}};
    if (own.error()) return;
    Json& calls = Assistant({}, param)["tool_calls"];
    calls.push_back(std::move(call));
    const std::string here = Here() + ".tool_calls[" + std::to_string(calls.size() - 1) + "]";
    chat_.Call(here, param);
    chat_.Call(here + ".id", param + ".call_id");
    chat_.Call(here + ".function", param);
  }

  void CallOutput(JsonFields& own, const std::string& param) {
    const std::string id = RequireString(own, "call_id");
    const Json* output = own.Find("output");
    if (output == nullptr) return own.Fail("output", "'" + param + ".output' is missing");
    Json text = TranslateText(own, "output", *output, {"input_text"});
    Add({{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(text)}}, param);
    chat_.Call(Here() + ".tool_call_id", param + ".call_id");
    chat_.Call(Here() + ".content", param + ".output");
  }

  /// What the model thought counts, not a summary of it; what is encrypted nobody can read here.
  void Reasoning(JsonFields& own, const std::string& param) {
    const Json* content = own.Find("content");
    if (content == nullptr || *content == Json::array()) return;
    const Json parts = TranslateText(own, "content", *content, {"reasoning_text"});
    if (own.error()) return;
    std::string text;
    for (const Json& part : parts) text += part.is_string() ? part : part["text"];
    Assistant({"reasoning_content", "content", "tool_calls"}, param)["reasoning_content"] = text;
    chat_.Call(Here() + ".reasoning_content", param + ".content");
  }

  /// The assistant's message that goes on, unless it has one of the members already.
  Json& Assistant(std::initializer_list<const char*> closed_by, const std::string& param) {
    bool open = !messages.empty() && messages.back()["role"] == "assistant";
    for (const char* member : closed_by) open = open && !messages.back().contains(member);
    if (!open) Add({{"role", "assistant"}}, param);
    return messages.back();
  }
};

void RefuseStateful(JsonFields& fields) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (fields.Find(name) != nullptr)
      fields.Fail(name, "'" + std::string(name) + "' is not supported: this server stores nothing",
                  "unsupported_parameter");
  }
  bool background = false;
  fields.Bool("background", background);
  if (background)
    fields.Fail("background", "'background' is not supported: this server stores nothing",
                "unsupported_parameter");
}

/// {"type": "function", "name": ...} beside {"type": "function", "function": {"name": ...}}.
Json NestFunction(const Json& flat) {
  Json function = flat;
  function.erase("type");
  return {{"type", "function"}, {"function", std::move(function)}};
}

bool IsFunction(const Json& tool) {
  return tool.is_object() && tool.value("type", Json()) == "function";
}

void RefuseTool(JsonFields& fields, const std::string& param, const Json& tool) {
  if (!tool.is_object()) return fields.FailType(param, "an object", tool);
  const Json type = tool.value("type", Json());
  const std::string got = type.is_string() ? ", got '" + type.get<std::string>() + "'" : "";
  fields.Fail(param + ".type",
              "'" + fields.Path(param) +
                  ".type' must be 'function': this server has no tools of "
                  "its own" +
                  got,
              "unsupported_parameter");
}

void TranslateTools(JsonFields& fields, ChatTranslation& chat) {
  const Json* tools = fields.Find("tools");
  if (tools == nullptr) return;
  if (!tools->is_array()) return fields.FailType("tools", "an array of tools", *tools);
  if (tools->empty()) return;
  Json& nested = chat["tools"] = Json::array();
  for (size_t i = 0; i < tools->size() && !fields.error(); ++i) {
    const std::string param = "tools[" + std::to_string(i) + "]";
    if (!IsFunction((*tools)[i])) return RefuseTool(fields, param, (*tools)[i]);
    nested.push_back(NestFunction((*tools)[i]));
    chat.Call(param + ".function", param);
  }
}

void TranslateToolChoice(JsonFields& fields, ChatTranslation& chat) {
  const Json* choice = fields.Find("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_string()) {
    chat["tool_choice"] = *choice;
  } else if (IsFunction(*choice)) {
    chat["tool_choice"] = NestFunction(*choice);
    chat.Call("tool_choice.function", "tool_choice");
  } else if (choice->is_object() && choice->value("type", Json()) == "allowed_tools") {
    Json allowed = *choice;
    allowed.erase("type");
    if (allowed.contains("tools") && allowed["tools"].is_array())
      for (Json& tool : allowed["tools"])
        if (IsFunction(tool)) tool = NestFunction(tool);
    chat["tool_choice"] = {{"type", "allowed_tools"}, {"allowed_tools", std::move(allowed)}};
    chat.Call("tool_choice.allowed_tools", "tool_choice");
  } else {
    fields.Fail("tool_choice",
                "'tool_choice' must be none, auto, required, or name a function or allowed_tools");
  }
}

/// `text` says what the output's text must be.
void TranslateFormat(JsonFields& fields, ChatTranslation& chat) {
  const Json* text = fields.Find("text");
  if (text == nullptr) return;
  if (!text->is_object()) return fields.FailType("text", "an object", *text);
  JsonFields own(*text, "text.");
  chat.Rename(own, "verbosity", "verbosity");
  const Json* format = own.Find("format");
  if (format != nullptr && !format->is_object()) own.FailType("format", "an object", *format);
  if (own.error()) return fields.Fail(*own.error());
  if (format == nullptr) return;
  chat.Call("response_format", "text.format");
  if (format->value("type", Json()) != "json_schema") {
    chat["response_format"] = *format;
    return;
  }
  Json schema = *format;
  schema.erase("type");
  chat["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
  chat.Call("response_format.json_schema", "text.format");
}

void TranslateReasoning(JsonFields& fields, ChatTranslation& chat) {
  const Json* reasoning = fields.Find("reasoning");
  if (reasoning == nullptr) return;
  if (!reasoning->is_object()) return fields.FailType("reasoning", "an object", *reasoning);
  JsonFields own(*reasoning, "reasoning.");
  std::string effort;
  own.String("effort", effort);
  // There are no summaries: what is thought is told as it is.
  std::string summary;
  own.String("summary", summary);
  own.String("generate_summary", summary);
  chat.Rename(own, "effort", "reasoning_effort");
  chat.Call("reasoning_effort", "reasoning.effort");
  if (own.error()) fields.Fail(*own.error());
}

constexpr char kLogprobs[] = "message.output_text.logprobs";
/// What others can include, of which there is nothing here.
constexpr std::array kIncludable = {
    "code_interpreter_call.outputs", "computer_call_output.output.image_url",
    "file_search_call.results",      "message.input_image.image_url",
    "reasoning.encrypted_content",   "web_search_call.action.sources",
    "web_search_call.results",       kLogprobs};

bool ReadInclude(JsonFields& fields) {
  bool logprobs = false;
  const Json* include = fields.Find("include");
  if (include == nullptr) return false;
  if (!include->is_array()) {
    fields.FailType("include", "an array of strings", *include);
    return false;
  }
  for (const Json& item : *include) {
    if (std::find(kIncludable.begin(), kIncludable.end(), item) == kIncludable.end())
      fields.Fail("include", "'include' has " + item.dump() + ", which is nothing to include");
    logprobs = logprobs || item == kLogprobs;
  }
  return logprobs;
}

void TranslateLogprobs(JsonFields& fields, ChatTranslation& chat) {
  int32_t top = 0;
  fields.Int("top_logprobs", top, 0, SamplingParams::kMaxTopLogprobs);
  const bool included = ReadInclude(fields);
  if (!included && top == 0) return;
  chat["logprobs"] = true;
  chat["top_logprobs"] = top;
}

/// A field that the answer repeats must be what its schema says.
void CheckRepeated(JsonFields& fields) {
  std::string text;
  for (const char* name :
       {"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"})
    fields.String(name, text);
  bool parallel = true;
  fields.Bool("parallel_tool_calls", parallel);
  bool store = true;
  fields.Bool("store", store);
  int32_t calls = 0;
  fields.Int("max_tool_calls", calls, 0);
  std::string truncation = "disabled";
  fields.String("truncation", truncation);
  if (truncation != "disabled" && truncation != "auto")
    fields.Fail("truncation", "'truncation' must be auto or disabled");
}

void CheckMetadata(JsonFields& fields) {
  constexpr size_t kMostPairs = 16;
  const Json* metadata = fields.Find("metadata");
  if (metadata == nullptr) return;
  if (!metadata->is_object()) return fields.FailType("metadata", "an object", *metadata);
  if (metadata->size() > kMostPairs)
    return fields.Fail("metadata", "'metadata' takes at most " + std::to_string(kMostPairs) +
                                       " members, got " + std::to_string(metadata->size()));
  for (const auto& [name, value] : metadata->items())
    if (!value.is_string()) return fields.FailType("metadata." + name, "a string", value);
}

/// `value` without what the schema of answers does not know.
Json EchoedTools(const Json* tools) {
  Json echoed = Json::array();
  if (tools == nullptr) return echoed;
  for (const Json& tool : *tools) {
    Json one = {{"type", "function"}, {"name", tool.value("name", Json())}};
    for (const char* name : {"description", "parameters", "strict"})
      one[name] = tool.value(name, Json());
    echoed.push_back(std::move(one));
  }
  return echoed;
}

/// With no more digits than tell it from other floats.
Json Shortest(float value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  return Json::parse(digits, end);
}

}  // namespace

void TranslateResponses(JsonFields& fields, ChatTranslation& chat) {
  RefuseStateful(fields);
  InputTranslation input(fields, chat);
  input.Instructions();
  input.Input();
  chat["messages"] = std::move(input.messages);
  chat.Call("messages", "input");
  chat.Rename(fields, "max_output_tokens", "max_completion_tokens");
  chat.Call("max_tokens", "max_output_tokens");
  TranslateTools(fields, chat);
  TranslateToolChoice(fields, chat);
  TranslateFormat(fields, chat);
  TranslateReasoning(fields, chat);
  TranslateLogprobs(fields, chat);
  CheckRepeated(fields);
  CheckMetadata(fields);
  chat.Pass(fields, {"model", "stream", "temperature", "top_p", "parallel_tool_calls", "metadata",
                     "service_tier", "store", "user", "safety_identifier", "prompt_cache_key"});
  // Of Baton's own, as chat completions have them.
  chat.Pass(fields,
            {"baton", "cache_salt", "chat_template_kwargs", "frequency_penalty", "ignore_eos",
             "include_reasoning", "logit_bias", "min_p", "min_tokens", "presence_penalty",
             "priority", "repetition_penalty", "seed", "stop", "stop_token_ids", "top_k"});
  for (const char* name : {"stream_options", "context_management", "moderation"})
    fields.Ignore(name);
}

std::string EchoOfResponses(JsonFields& fields, const CompletionPlan& plan) {
  const auto given = [&](const char* name, const Json& otherwise = nullptr) {
    const Json* field = fields.Find(name);
    return field == nullptr ? otherwise : *field;
  };
  Json text = given("text", Json::object());
  if (text.value("format", Json()).is_null()) text["format"] = {{"type", "text"}};
  Json reasoning = given("reasoning", Json::object());
  reasoning = {{"effort", reasoning.value("effort", Json())}, {"summary", nullptr}};
  Json echo = {{"background", false},
               {"instructions", given("instructions")},
               {"max_output_tokens", given("max_output_tokens")},
               {"max_tool_calls", given("max_tool_calls")},
               {"metadata", given("metadata", Json::object())},
               {"parallel_tool_calls", given("parallel_tool_calls", true)},
               {"previous_response_id", nullptr},
               {"prompt_cache_key", given("prompt_cache_key")},
               {"reasoning", std::move(reasoning)},
               {"safety_identifier", given("safety_identifier")},
               {"service_tier", "default"},
               {"store", false},
               {"temperature", given("temperature", Shortest(plan.sampling.temperature))},
               {"text", std::move(text)},
               {"tool_choice", given("tool_choice", "auto")},
               {"tools", EchoedTools(fields.Find("tools"))},
               {"top_logprobs", given("top_logprobs", 0)},
               {"top_p", given("top_p", Shortest(plan.sampling.top_p))},
               {"truncation", given("truncation", "disabled")}};
  if (fields.Find("user") != nullptr) echo["user"] = given("user");
  std::string members = echo.dump(-1, ' ', false, Json::error_handler_t::replace);
  members.front() = ' ';
  members.back() = ',';
  return members.substr(1);
}

}  // namespace baton::api
