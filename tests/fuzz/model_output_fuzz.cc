// What a model writes, parted into reasoning, calls of tools and text.
#include "baton/api/output_reader.h"
#include "baton/base/check.h"
#include "baton/text/utf8.h"
#include "fuzz_target.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

using api::ChoiceDelta;
using api::OutputReader;
using api::OutputReading;

std::vector<std::string> Seeds() {
  const auto seed = [](uint8_t kind, const std::string& text) {
    return InputWriter().Byte(kind).Rest(text).bytes();
  };
  return {seed(1,
               "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\"]}}\n"
               "</tool_call>\n<tool_call>{\"arguments\":\"{}\",\"name\":\"g\"}</tool_call>"),
          seed(2, R"({"name": "f", "parameters": {"a": null}}; {"name": "g", "parameters": 5})"),
          seed(3, R"([TOOL_CALLS] [{"name": "f", "arguments": {"é": "\ud83d\ude00"}, "id": "1"}])"),
          seed(3, R"(Hm. [TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]x1[ARGS]{})"),
          seed(5, "<think>\nWell.\n</think>\n\n<tool_call>{\"name\":\"f\"}</tool_call>"),
          seed(12, "Well.</think>Yes.")};
}

/// The lowest two bits: the format; then whether it thinks, from the prompt on, and calls once.
OutputReading ReadingOf(uint8_t kind) {
  return {.tools = static_cast<api::ToolFormat>(kind & 3),
          .tool_names = {"f"},
          .one_call = (kind & 16) != 0,
          .reasoning = (kind & 4) != 0 ? api::ReasoningFormat::kThink : api::ReasoningFormat::kNone,
          .begins_in_reasoning = (kind & 8) != 0};
}

void CheckUtf8(const ChoiceDelta& delta) {
  BATON_CHECK(text::IsValidUtf8(delta.text) && text::IsValidUtf8(delta.reasoning));
  for (const api::ToolCallDelta& call : delta.tool_calls)
    BATON_CHECK(text::IsValidUtf8(call.name) && text::IsValidUtf8(call.arguments));
}

/// In pieces of so many characters; 0: whole.
ChoiceDelta ReadIn(const OutputReading& reading, std::string_view text, size_t characters) {
  OutputReader reader(reading);
  ChoiceDelta output;
  while (!text.empty()) {
    size_t bytes = characters == 0 ? text.size() : 0;
    for (size_t i = 0; i < characters && bytes < text.size(); ++i)
      bytes += text::NextUtf8(text.substr(bytes)).bytes;
    ChoiceDelta delta;
    reader.Push(text.substr(0, bytes), delta);
    CheckUtf8(delta);
    output.Append(std::move(delta));
    text.remove_prefix(bytes);
  }
  ChoiceDelta rest;
  reader.Finish(rest);
  output.Append(std::move(rest));
  BATON_CHECK(reader.calls() == static_cast<int>(output.tool_calls.size()));
  BATON_CHECK(reader.calls() <= OutputReader::kMostCalls);
  return output;
}

void CheckSame(const ChoiceDelta& a, const ChoiceDelta& b) {
  BATON_CHECK(a.text == b.text && a.reasoning == b.reasoning);
  BATON_CHECK(a.tool_calls.size() == b.tool_calls.size());
  for (size_t i = 0; i < a.tool_calls.size(); ++i) {
    BATON_CHECK(a.tool_calls[i].name == b.tool_calls[i].name && !a.tool_calls[i].name.empty());
    BATON_CHECK(a.tool_calls[i].arguments == b.tool_calls[i].arguments);
  }
}

void Run(std::string_view input) {
  InputReader reader(input);
  const OutputReading reading = ReadingOf(reader.Byte());
  const std::string text = text::ToValidUtf8(reader.Rest());
  const ChoiceDelta whole = ReadIn(reading, text, 0);
  CheckUtf8(whole);
  CheckSame(whole, ReadIn(reading, text, 1));
  CheckSame(whole, ReadIn(reading, text, 3));
  if (reading.reasoning == api::ReasoningFormat::kNone && whole.tool_calls.empty())
    BATON_CHECK(whole.text == text) << "lost text";
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 4096,
                         .seeds = &Seeds,
                         .words = {"<think>",
                                   "</think>",
                                   "<tool_call>",
                                   "</tool_call>",
                                   "[TOOL_CALLS]",
                                   "[ARGS]",
                                   "[CALL_ID]",
                                   "<|python_tag|>",
                                   "\"name\":",
                                   "\"f\"",
                                   "\"arguments\":",
                                   "\"parameters\":",
                                   "\\u00e9",
                                   "\\ud83d",
                                   "\\ude00",
                                   "\\\"",
                                   "{}",
                                   "}}",
                                   "; ",
                                   "null",
                                   "\xC3\xA9",
                                   "\xF0\x9F\x98\x80"},
                         .run = &Run};

}  // namespace baton::fuzz
