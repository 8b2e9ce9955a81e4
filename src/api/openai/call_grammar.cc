#include "call_grammar.h"

#include <utility>

#include "baton/grammar/sources.h"

namespace baton::api {

namespace {

constexpr std::string_view kThinkEnd = "</think>";
/// One space between the parts of arguments, as templates show calls: weak models that may put more
/// do so until they are cut off.
constexpr int kSpace = 1;
constexpr std::string_view kHermesMarker = "<tool_call>";

/// `text` has no quotes or backslashes.
std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

/// What may stand in text up to a marker, whose first character occurs in it only once.
struct TextBeforeMarker {
  /// Text without the marker that does not end with a part of it.
  std::string free;
  /// The marker's first character, perhaps again and again with more of the marker between.
  std::string begun;

  explicit TextBeforeMarker(std::string_view marker) {
    const std::string first(1, marker.front());
    std::string again = Quoted(first);
    std::string away;
    for (size_t i = 1; i < marker.size(); ++i) {
      const std::string_view part = marker.substr(1, i - 1);
      if (i > 1) again += " | " + Quoted(std::string(part) + first);
      away += (i > 1 ? " | " + Quoted(part) + " " : "") + "[^" + std::string(1, marker[i]) + first +
              "]";
    }
    begun = Quoted(first) + " (" + again + ")*";
    free = "([^" + first + "] | " + begun + " (" + away + "))*";
  }
};

/// Any text that ends with `marker` and has it nowhere else.
std::string TextThrough(std::string_view marker) {
  const TextBeforeMarker before(marker);
  return before.free + " " + before.begun + " " + Quoted(marker.substr(1));
}

/// Any text that does not have `marker`.
std::string TextWithout(std::string_view marker) {
  const TextBeforeMarker before(marker);
  std::string parts = "\"\"";
  for (size_t i = 2; i < marker.size(); ++i) parts += " | " + Quoted(marker.substr(1, i - 1));
  return before.free + " (" + before.begun + " (" + parts + "))?";
}

Result<std::string> ArgumentRules(const Json& function, const std::string& prefix) {
  Json schema = function["parameters"];
  if (!schema.contains("type")) schema["type"] = "object";
  const bool strict = function.value("strict", Json()) == true;
  const grammar::SchemaOptions options{.whitespace = kSpace};
  Result<std::string> rules = grammar::FromJsonSchema(schema.dump(), options);
  if (!rules.ok() && strict)
    return rules.status().WithContext("the parameters of '" + function["name"].get<std::string>() +
                                      "' cannot be enforced");
  if (!rules.ok()) rules = grammar::FromJsonSchema(R"({"type":"object"})", options);
  BATON_RETURN_IF_ERROR(rules.status());
  return grammar::WithPrefix(*rules, prefix);
}

/// How calls begin, follow each other, and end.
struct Frame {
  std::string before;
  std::string between;
  std::string after;
  std::string arguments = "arguments";
};

/// All of a frame is text for a grammar's quotes.
Frame FrameOf(ToolFormat format) {
  switch (format) {
    case ToolFormat::kHermes:
      return {R"(<tool_call>\n)", R"(\n</tool_call>\n<tool_call>\n)", R"(\n</tool_call>)"};
    case ToolFormat::kMistral: return {"[TOOL_CALLS][", ", ", "]"};
    case ToolFormat::kLlama3: return {"", "; ", "", "parameters"};
    case ToolFormat::kNone: break;
  }
  return {};
}

/// What an output may be that need not call.
std::string Optional(ToolFormat format, std::string_view calls) {
  if (format == ToolFormat::kLlama3) return std::string(calls) + R"( | [ \n]* ([^{ \n] .*)?)";
  return TextWithout(kHermesMarker) + " | " + TextWithout(kHermesMarker) + " " + std::string(calls);
}

}  // namespace

Result<std::string> CallGrammar(ToolFormat format, const CallRules& rules) {
  const Frame frame = FrameOf(format);
  std::string call = "call ::= ";
  std::string arguments;
  for (size_t i = 0; i < rules.tools.size(); ++i) {
    const Json& function = rules.tools[i]["function"];
    const std::string prefix = "f" + std::to_string(i) + "-";
    BATON_ASSIGN_OR_RETURN(const std::string schema, ArgumentRules(function, prefix));
    arguments += schema;
    if (i > 0) call += " | ";
    call += R"("{\"name\": \")" + function["name"].get<std::string>() + R"(\", \")" +
            frame.arguments + R"(\": " )" + prefix + R"(root "}")";
  }
  std::string calls = "calls ::= " + Quoted(frame.before) + " call";
  if (rules.several) calls += " (" + Quoted(frame.between) + " call)*";
  calls += " " + Quoted(frame.after);
  const std::string root = rules.required ? "calls" : Optional(format, "calls");
  return "root ::= " + root + "\n" + calls + "\n" + call + "\n" + arguments;
}

Result<std::string> AfterReasoning(std::string_view grammar, bool begins_in_reasoning) {
  BATON_ASSIGN_OR_RETURN(const std::string rules, grammar::WithPrefix(grammar, "a-"));
  const std::string reasoning = TextThrough(kThinkEnd) + R"( "\n"{0,2})";
  const std::string before =
      begins_in_reasoning ? reasoning : R"(("\n"? "<think>" )" + reasoning + ")?";
  return "root ::= " + before + " a-root\n" + rules;
}

}  // namespace baton::api
