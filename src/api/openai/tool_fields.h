#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../json_fields.h"
#include "baton/api/completion_plan.h"

namespace baton::api {

enum class ToolChoice : uint8_t { kNone, kAuto, kRequired, kNamed };

/// What a request says about tools.
struct ToolFields {
  static constexpr size_t kMostTools = 128;
  static constexpr size_t kMostNameBytes = 64;
  static constexpr size_t kMostBytes = size_t{1} << 20;

  /// As the chat template gets them; null for none. Those of `allowed_tools`, where it is given.
  Json tools;
  /// kNone without tools.
  ToolChoice choice = ToolChoice::kNone;
  /// Of kNamed.
  std::string name;
  /// The model may make several calls in one output.
  bool parallel = true;
};

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`. Refuses tools that the model's template
/// does not show it, or whose calls nothing here can read.
void ReadToolFields(JsonFields& fields, const ServedModel& model, ToolFields& read);

/// How the output of a chat is to be read, and which calls it must make, by `tools` and
/// `include_reasoning`. What the plan's grammar says holds behind reasoning from here on.
/// REQUIRES: the plan has its prompt, and what else the request says of grammars.
void ReadOutputFields(JsonFields& fields, const ServedModel& model, const ToolFields& tools,
                      CompletionPlan& plan);

}  // namespace baton::api
