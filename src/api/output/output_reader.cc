#include "baton/api/output_reader.h"

#include <optional>
#include <utility>

#include "reasoning_reader.h"
#include "tool_reader.h"

namespace baton::api {

struct OutputReader::Parts {
  std::optional<ReasoningReader> reasoning;
  bool include_reasoning = true;
  std::optional<ToolReader> tools;
};

OutputReader::OutputReader(const OutputReading& reading) : parts_(std::make_unique<Parts>()) {
  parts_->include_reasoning = reading.include_reasoning;
  if (reading.reasoning != ReasoningFormat::kNone)
    parts_->reasoning.emplace(reading.begins_in_reasoning);
  if (reading.tools != ToolFormat::kNone) parts_->tools.emplace(reading);
}

OutputReader::OutputReader(const OutputReader& other)
    : parts_(std::make_unique<Parts>(*other.parts_)) {}
OutputReader& OutputReader::operator=(const OutputReader& other) {
  return *this = OutputReader(other);
}
OutputReader::OutputReader(OutputReader&&) noexcept = default;
OutputReader& OutputReader::operator=(OutputReader&&) noexcept = default;
OutputReader::~OutputReader() = default;

void OutputReader::SeedCallIds(uint64_t seed) {
  if (parts_->tools) parts_->tools->SeedCallIds(seed);
}

void OutputReader::Push(std::string_view text, ChoiceDelta& delta) {
  std::string rest;
  if (parts_->reasoning) {
    std::string reasoning;
    text = rest = parts_->reasoning->Push(text, reasoning);
    if (parts_->include_reasoning) delta.reasoning += reasoning;
  }
  if (parts_->tools) {
    parts_->tools->Push(text, delta);
  } else {
    delta.text += text;
  }
}

void OutputReader::Finish(ChoiceDelta& delta) {
  std::string rest;
  if (parts_->reasoning) {
    std::string reasoning;
    rest = parts_->reasoning->Finish(reasoning);
    if (parts_->include_reasoning) delta.reasoning += reasoning;
  }
  if (parts_->tools) {
    parts_->tools->Push(rest, delta);
    parts_->tools->Finish(delta);
  } else {
    delta.text += rest;
  }
}

bool OutputReader::in_reasoning() const { return parts_->reasoning && parts_->reasoning->inside(); }
int OutputReader::calls() const { return parts_->tools ? parts_->tools->calls() : 0; }
int OutputReader::broken_calls() const { return parts_->tools ? parts_->tools->broken_calls() : 0; }
bool OutputReader::done() const { return parts_->tools && parts_->tools->done(); }

std::vector<std::string_view> OutputReader::Markers(const OutputReading& reading) {
  std::vector<std::string_view> markers;
  if (reading.reasoning == ReasoningFormat::kThink) markers = {"<think>", "</think>"};
  switch (reading.tools) {
    case ToolFormat::kHermes: markers.insert(markers.end(), {"<tool_call>", "</tool_call>"}); break;
    case ToolFormat::kLlama3: markers.push_back("<|python_tag|>"); break;
    case ToolFormat::kMistral:
      markers.insert(markers.end(), {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"});
      break;
    case ToolFormat::kNone: break;
  }
  return markers;
}

}  // namespace baton::api
