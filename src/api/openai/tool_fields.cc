#include "tool_fields.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "call_grammar.h"

namespace baton::api {

namespace {

constexpr char kUnsupported[] = "unsupported_parameter";

bool IsToolName(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= ToolFields::kMostNameBytes &&
         std::ranges::all_of(name, fits);
}

/// A member of `object`; null when it is absent or null.
const Json* Member(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

/// The name in {"type": "function", "function": {"name": ...}}; empty where there is none.
std::string NameIn(const Json& choice) {
  const Json* function = choice.is_object() && choice.value("type", Json()) == "function"
                             ? Member(choice, "function")
                             : nullptr;
  const Json* name =
      function != nullptr && function->is_object() ? Member(*function, "name") : nullptr;
  return name != nullptr && name->is_string() ? name->get<std::string>() : std::string();
}

void CheckFunction(JsonFields& fields, const std::string& param, Json& function) {
  const Json* name = Member(function, "name");
  if (name == nullptr) return fields.Fail(param + ".name", "'" + param + ".name' is missing");
  if (!name->is_string()) return fields.FailType(param + ".name", "a string", *name);
  if (!IsToolName(name->get<std::string>()))
    return fields.Fail(param + ".name", "'" + param + ".name' must be 1 to " +
                                            std::to_string(ToolFields::kMostNameBytes) +
                                            " letters, digits, underscores or dashes");
  if (const Json* text = Member(function, "description"); text != nullptr && !text->is_string())
    return fields.FailType(param + ".description", "a string", *text);
  if (const Json* strict = Member(function, "strict"); strict != nullptr && !strict->is_boolean())
    return fields.FailType(param + ".strict", "true or false", *strict);
  const Json* parameters = Member(function, "parameters");
  if (parameters != nullptr && !parameters->is_object())
    return fields.FailType(param + ".parameters", "an object", *parameters);
  // OpenAI's meaning of their absence, which not every template knows.
  if (parameters == nullptr)
    function["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
}

void CheckTool(JsonFields& fields, const std::string& param, Json& tool) {
  if (!tool.is_object()) return fields.FailType(param, "an object", tool);
  if (tool.value("type", Json()) != "function")
    return fields.Fail(param + ".type",
                       "'" + param + ".type' must be 'function': other tools are not supported",
                       kUnsupported);
  const auto function = tool.find("function");
  if (function == tool.end() || !function->is_object())
    return fields.Fail(param + ".function", "'" + param + ".function' must be an object");
  CheckFunction(fields, param + ".function", *function);
}

void ReadTools(JsonFields& fields, Json& tools) {
  const Json* value = fields.Find("tools");
  if (value == nullptr) return;
  if (!value->is_array()) return fields.FailType("tools", "an array of tools", *value);
  if (value->empty()) return;
  if (value->size() > ToolFields::kMostTools)
    return fields.Fail("tools", "'tools' takes at most " + std::to_string(ToolFields::kMostTools) +
                                    " tools, got " + std::to_string(value->size()));
  Json read = *value;
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < read.size(); ++i) {
    const std::string param = "tools[" + std::to_string(i) + "]";
    CheckTool(fields, param, read[i]);
    if (fields.error()) return;
    const std::string name = read[i]["function"]["name"];
    if (!names.insert(name).second)
      return fields.Fail(param + ".function.name", "two tools have the name '" + name + "'");
  }
  if (read.dump().size() > ToolFields::kMostBytes)
    return fields.Fail("tools", "'tools' takes at most " + std::to_string(ToolFields::kMostBytes) +
                                    " bytes in all");
  tools = std::move(read);
}

bool HasTool(const Json& tools, const std::string& name) {
  return std::ranges::any_of(tools,
                             [&](const Json& tool) { return tool["function"]["name"] == name; });
}

void FailUnknownTool(JsonFields& fields, const std::string& name) {
  fields.Fail("tool_choice", "'tool_choice' names '" + name + "', which is not among 'tools'");
}

/// {"type": "allowed_tools", "allowed_tools": {"mode": ..., "tools": [...]}}
void ReadAllowedTools(JsonFields& fields, const Json& choice, ToolFields& read) {
  const Json* allowed = Member(choice, "allowed_tools");
  const Json* mode =
      allowed != nullptr && allowed->is_object() ? Member(*allowed, "mode") : nullptr;
  const Json* tools = mode != nullptr ? Member(*allowed, "tools") : nullptr;
  if (tools == nullptr || !tools->is_array() || (*mode != "auto" && *mode != "required"))
    return fields.Fail("tool_choice.allowed_tools",
                       "'tool_choice.allowed_tools' must have a 'mode' of 'auto' or 'required' and "
                       "an array of 'tools'");
  std::unordered_set<std::string> names;
  for (const Json& tool : *tools) {
    const std::string name = NameIn(tool);
    if (!HasTool(read.tools, name)) return FailUnknownTool(fields, name);
    names.insert(name);
  }
  Json kept = Json::array();
  for (const Json& tool : read.tools)
    if (names.contains(tool["function"]["name"].get<std::string>())) kept.push_back(tool);
  read.choice = *mode == "auto" ? ToolChoice::kAuto : ToolChoice::kRequired;
  if (kept.empty()) {
    if (read.choice == ToolChoice::kRequired)
      return fields.Fail("tool_choice.allowed_tools", "a call is required but no tool is allowed");
    read.choice = ToolChoice::kNone;
    kept = nullptr;
  }
  read.tools = std::move(kept);
}

void ReadChoice(JsonFields& fields, ToolFields& read) {
  const bool tools = !read.tools.is_null();
  read.choice = tools ? ToolChoice::kAuto : ToolChoice::kNone;
  const Json* choice = fields.Find("tool_choice");
  if (choice == nullptr || *choice == "auto") return;
  if (*choice == "none") {
    read.choice = ToolChoice::kNone;
    return;
  }
  if (!tools) return fields.Fail("tool_choice", "'tool_choice' needs 'tools'");
  if (*choice == "required") {
    read.choice = ToolChoice::kRequired;
  } else if (choice->is_object() && choice->value("type", Json()) == "allowed_tools") {
    ReadAllowedTools(fields, *choice, read);
  } else if (read.name = NameIn(*choice); read.name.empty()) {
    fields.Fail("tool_choice",
                "'tool_choice' must be 'none', 'auto', 'required', a function, or allowed tools");
  } else if (!HasTool(read.tools, read.name)) {
    FailUnknownTool(fields, read.name);
  } else {
    read.choice = ToolChoice::kNamed;
  }
}

void RefuseDeprecated(JsonFields& fields) {
  const std::pair<const char*, const char*> newer[] = {{"functions", "tools"},
                                                       {"function_call", "tool_choice"}};
  for (const auto& [name, instead] : newer) {
    const Json* value = fields.Find(name);
    if (value == nullptr || (value->is_array() && value->empty()) || *value == "none") continue;
    fields.Fail(
        name, "'" + std::string(name) + "' is deprecated and not supported; use '" + instead + "'",
        kUnsupported);
  }
}

void RefuseWhatTheModelCannot(JsonFields& fields, const ServedModel& model,
                              const ToolFields& read) {
  if (read.tools.is_null() || read.choice == ToolChoice::kNone) return;
  const std::string whose = "the model '" + model.options.model + "'";
  if (!model.format.takes_tools)
    return fields.Fail(
        "tools", "'tools' is not supported: the chat template of " + whose + " does not use them",
        kUnsupported);
  if (model.format.tools == ToolFormat::kNone)
    fields.Fail("tools",
                "'tools' is not supported: how " + whose +
                    " writes calls of tools is not known; router.tool_parser says it",
                kUnsupported);
}

/// Whether the model is to go on with reasoning that the prompt began. What a user wrote is not
/// looked at: only how the prompt ends counts.
bool EndsInReasoning(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(" \n\r\t");
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with("<think>");
}

bool IsStrict(const Json& tool) { return tool["function"].value("strict", Json()) == true; }

/// Holds the output to calls where it must call, and calls to strict schemas where it may.
void ConstrainCalls(JsonFields& fields, const ServedModel& model, const ToolFields& tools,
                    CompletionPlan& plan) {
  const bool must = tools.choice == ToolChoice::kRequired || tools.choice == ToolChoice::kNamed;
  // No grammar can spell the special token that begins Mistral's calls.
  const bool may = tools.choice == ToolChoice::kAuto &&
                   model.format.tools != ToolFormat::kMistral &&
                   std::ranges::any_of(tools.tools, IsStrict);
  if (!must && !may) return;
  if (!plan.grammar.empty()) {
    if (must)
      fields.Fail("tool_choice", "a required call cannot be combined with a format of the output");
    return;
  }
  CallRules rules{.tools = {}, .several = !plan.reading.one_call, .required = must};
  for (const Json& tool : tools.tools)
    if (tools.name.empty() || tool["function"]["name"] == tools.name) rules.tools.push_back(tool);
  Result<std::string> grammar = CallGrammar(model.format.tools, rules);
  if (!grammar.ok()) return fields.Fail("tools", std::string(grammar.status().message()));
  plan.grammar = *std::move(grammar);
}

/// A grammar says what the answer is; a model that thinks does that first.
void LetThink(JsonFields& fields, const ServedModel& model, CompletionPlan& plan) {
  if (fields.error() || plan.grammar.empty()) return;
  if (plan.reading.reasoning != ReasoningFormat::kNone) {
    Result<std::string> grammar = AfterReasoning(plan.grammar, plan.reading.begins_in_reasoning);
    if (!grammar.ok()) return fields.Fail("", std::string(grammar.status().message()));
    plan.grammar = *std::move(grammar);
  }
  // Workers would refuse it too, but later.
  if (const auto compiled = model.grammars.Get(plan.grammar); !compiled.ok())
    fields.Fail("tools", std::string(compiled.status().message()));
}

}  // namespace

void ReadToolFields(JsonFields& fields, const ServedModel& model, ToolFields& read) {
  RefuseDeprecated(fields);
  ReadTools(fields, read.tools);
  fields.Bool("parallel_tool_calls", read.parallel);
  if (fields.error()) return;
  ReadChoice(fields, read);
  RefuseWhatTheModelCannot(fields, model, read);
}

void ReadOutputFields(JsonFields& fields, const ServedModel& model, const ToolFields& tools,
                      CompletionPlan& plan) {
  OutputReading& reading = plan.reading;
  fields.Bool("include_reasoning", reading.include_reasoning);
  if (fields.error()) return;
  reading.reasoning = model.format.reasoning;
  reading.begins_in_reasoning = EndsInReasoning(plan.prompts.front().text);
  if (tools.choice != ToolChoice::kNone) {
    reading.tools = model.format.tools;
    reading.named = tools.choice == ToolChoice::kNamed;
    reading.one_call = !tools.parallel || reading.named;
    for (const Json& tool : tools.tools)
      reading.tool_names.push_back(tool["function"]["name"].get<std::string>());
    ConstrainCalls(fields, model, tools, plan);
  }
  LetThink(fields, model, plan);
}

}  // namespace baton::api
