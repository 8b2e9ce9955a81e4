#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/chat_format.h"
#include "baton/api/choice_delta.h"

namespace baton::api {

/// How the text of an output is to be read.
struct OutputReading {
  /// kNone where the model may not call: what looks like a call is text.
  ToolFormat tools = ToolFormat::kNone;
  /// Where nothing marks a call, only an object with one of these names is one.
  std::vector<std::string> tool_names = {};
  /// The output ends with its first call.
  bool one_call = false;
  /// The request named the function: its call is no reason of the model's to stop.
  bool named = false;
  ReasoningFormat reasoning = ReasoningFormat::kNone;
  /// The prompt ends within the reasoning.
  bool begins_in_reasoning = false;
  bool include_reasoning = true;

  bool plain() const { return tools == ToolFormat::kNone && reasoning == ReasoningFormat::kNone; }
};

/// Parts the text of one output, as it arrives, into reasoning, calls of tools, and the rest. What
/// cannot be read as a call stays text: nothing is lost. The parts depend on the text only, not on
/// where it was divided. *Threads*: lives on one thread. *Cost*: linear in the text; holds back at
/// most kMostHeldBytes of it.
class OutputReader {
 public:
  static constexpr size_t kMostHeldBytes = 64 * 1024;
  static constexpr int kMostCalls = 128;

  explicit OutputReader(const OutputReading& reading);
  OutputReader(const OutputReader& other);
  OutputReader& operator=(const OutputReader& other);
  OutputReader(OutputReader&&) noexcept;
  OutputReader& operator=(OutputReader&&) noexcept;
  ~OutputReader();

  /// The ids of calls are a function of `seed` and the call's index.
  void SeedCallIds(uint64_t seed);

  /// Appends what became certain to `delta`. REQUIRES: `text` is whole characters.
  void Push(std::string_view text, ChoiceDelta& delta);
  /// The text has ended: nothing is held back any more.
  void Finish(ChoiceDelta& delta);

  /// The text so far ends within the reasoning.
  bool in_reasoning() const;
  int calls() const;
  /// Calls that could not be read, or broke off.
  int broken_calls() const;
  /// One call was to be made and has been: nothing more is read.
  bool done() const;

  /// Texts that mean something to the reader even where they are special tokens.
  static std::vector<std::string_view> Markers(const OutputReading& reading);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::api
