#include "baton/api/chat_format.h"

#include <string>

#include <nlohmann/json.hpp>

namespace baton::api {

namespace {

using Json = nlohmann::ordered_json;

/// Words that no template writes by itself.
constexpr char kProbeTool[] = "baton_probe_tool";
constexpr char kProbeValue[] = "baton_probe_value";
/// Any time will do.
constexpr int64_t kProbeTime = 0;

ToolFormat ToolFormatOf(const text::ChatTemplate& chat_template) {
  const auto mentions = [&](std::string_view text) { return chat_template.Mentions(text); };
  // Others put XML between the same tags.
  if (mentions("<tool_call>") && !mentions("<function=") && !mentions("<arg_key>"))
    return ToolFormat::kHermes;
  if (mentions("[TOOL_CALLS]")) return ToolFormat::kMistral;
  if (mentions("<|python_tag|>") || mentions(R"({"name": function name, "parameters":)"))
    return ToolFormat::kLlama3;
  return ToolFormat::kNone;
}

Json ProbeTools() {
  return Json::parse(R"([{"type":"function","function":{"name":"baton_probe_tool",
      "description":"x","parameters":{"type":"object","properties":{"x":{"type":"string",
      "description":"x"}},"required":["x"]}}}])");
}

/// Empty when the template refuses.
std::string Rendered(const text::ChatTemplate& chat_template, const Json& context) {
  Result<std::string> text = chat_template.Render(context.dump(), kProbeTime);
  return text.ok() ? *std::move(text) : std::string();
}

Json ProbeContext(Json messages) {
  return {{"messages", std::move(messages)},
          {"add_generation_prompt", true},
          {"bos_token", "<s>"},
          {"eos_token", "</s>"}};
}

bool TakesTools(const text::ChatTemplate& chat_template) {
  Json context = ProbeContext(Json::parse(R"([{"role":"user","content":"x"}])"));
  context["tools"] = ProbeTools();
  return Rendered(chat_template, context).find(kProbeTool) != std::string::npos;
}

/// Tries the ways to tell of an earlier call until one shows in the prompt.
void FindCallShape(const text::ChatTemplate& chat_template, ChatFormat& format) {
  Json messages = Json::parse(R"([{"role":"user","content":"x"},
      {"role":"assistant","content":"","tool_calls":[{"id":"probe1234","type":"function",
       "function":{"name":"baton_probe_tool","arguments":{"x":"baton_probe_value"}}}]},
      {"role":"tool","tool_call_id":"probe1234","name":"baton_probe_tool","content":"x"}])");
  const Json object = messages[1]["tool_calls"][0]["function"]["arguments"];
  for (const bool null_content : {false, true}) {
    for (const bool text : {false, true}) {
      Json& call = messages[1];
      call["content"] = null_content ? Json() : Json("");
      call["tool_calls"][0]["function"]["arguments"] = text ? Json(object.dump()) : object;
      Json context = ProbeContext(messages);
      context["tools"] = ProbeTools();
      const std::string prompt = Rendered(chat_template, context);
      if (prompt.find(kProbeValue) == std::string::npos) continue;
      format.shows_calls = true;
      format.arguments_as_text = text;
      format.null_content = null_content;
      return;
    }
  }
}

}  // namespace

Result<ChatFormat> FindChatFormat(std::string_view tool_parser, std::string_view reasoning_parser,
                                  const text::ChatTemplate* chat_template) {
  ChatFormat format;
  if (tool_parser == "hermes") {
    format.tools = ToolFormat::kHermes;
  } else if (tool_parser == "llama3") {
    format.tools = ToolFormat::kLlama3;
  } else if (tool_parser == "mistral") {
    format.tools = ToolFormat::kMistral;
  } else if (tool_parser == "auto") {
    if (chat_template != nullptr) format.tools = ToolFormatOf(*chat_template);
  } else if (tool_parser != "none") {
    return InvalidArgument("there is no tool parser '" + std::string(tool_parser) + "'");
  }
  if (reasoning_parser == "think") {
    format.reasoning = ReasoningFormat::kThink;
  } else if (reasoning_parser == "auto") {
    if (chat_template != nullptr && chat_template->Mentions("</think>"))
      format.reasoning = ReasoningFormat::kThink;
  } else if (reasoning_parser != "none") {
    return InvalidArgument("there is no reasoning parser '" + std::string(reasoning_parser) + "'");
  }
  if (chat_template == nullptr) return format;
  format.takes_tools = TakesTools(*chat_template);
  FindCallShape(*chat_template, format);
  return format;
}

}  // namespace baton::api
