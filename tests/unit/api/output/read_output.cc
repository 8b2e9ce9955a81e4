#include "read_output.h"

namespace baton::api {

std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  for (const char c : text) {
    if (characters.empty() || (c & 0xC0) != 0x80) characters.emplace_back();
    characters.back() += c;
  }
  return characters;
}

ChoiceDelta ReadOutput(const OutputReading& reading, const std::vector<std::string>& pieces) {
  OutputReader reader(reading);
  ChoiceDelta whole;
  for (const std::string& piece : pieces) {
    ChoiceDelta delta;
    reader.Push(piece, delta);
    whole.Append(std::move(delta));
  }
  ChoiceDelta rest;
  reader.Finish(rest);
  whole.Append(std::move(rest));
  return whole;
}

std::vector<std::string> Calls(const ChoiceDelta& output) {
  std::vector<std::string> calls;
  for (const ToolCallDelta& call : output.tool_calls)
    calls.push_back(call.name + "(" + call.arguments + ")");
  return calls;
}

}  // namespace baton::api
