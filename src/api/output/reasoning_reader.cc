#include "reasoning_reader.h"

#include <algorithm>
#include <utility>

#include "marker.h"

namespace baton::api {

namespace {

constexpr std::string_view kBegin = "<think>";
constexpr std::string_view kEnd = "</think>";
constexpr std::string_view kSpace = " \n\r\t";
/// Of white space before the tag at most so many bytes; of line breaks the last ones are held back.
constexpr size_t kMostSpaceBytes = 256;

}  // namespace

std::string ReasoningReader::Push(std::string_view text, std::string& reasoning) {
  if (state_ == State::kRest) return std::string(text);
  held_ += text;
  if (state_ == State::kLead) Lead();
  if (state_ == State::kInside) Inside(reasoning);
  if (state_ == State::kBehind) {
    held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
    if (!held_.empty()) state_ = State::kRest;
  }
  return state_ == State::kRest ? std::exchange(held_, {}) : std::string();
}

/// A prompt that opens the tag does not keep every model from opening it again.
void ReasoningReader::Lead() {
  const size_t space = std::min(held_.find_first_not_of(kSpace), held_.size());
  const std::string_view text = std::string_view(held_).substr(space);
  if (space <= kMostSpaceBytes && text.starts_with(kBegin)) {
    held_.erase(0, space + kBegin.size());
    state_ = State::kInside;
  } else if (space > kMostSpaceBytes || !kBegin.starts_with(text)) {
    state_ = begins_inside_ ? State::kInside : State::kRest;
  }
}

void ReasoningReader::Inside(std::string& reasoning) {
  const size_t end = held_.find(kEnd);
  if (end != std::string::npos) {
    Reason(std::string_view(held_).substr(0, end), reasoning);
    held_.erase(0, end + kEnd.size());
    breaks_.clear();
    state_ = State::kBehind;
    return;
  }
  const size_t given = held_.size() - BytesThatMayBegin(kEnd, held_);
  Reason(std::string_view(held_).substr(0, given), reasoning);
  held_.erase(0, given);
}

void ReasoningReader::Reason(std::string_view text, std::string& reasoning) {
  if (!reasoned_) text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  if (text.empty()) return;
  reasoned_ = true;
  const size_t last = text.find_last_not_of('\n');
  const size_t solid = last == std::string_view::npos ? 0 : last + 1;
  if (solid > 0) reasoning += std::exchange(breaks_, {});
  reasoning += text.substr(0, solid);
  breaks_ += text.substr(solid);
  if (breaks_.size() <= kMostSpaceBytes) return;
  const size_t passed = breaks_.size() - kMostSpaceBytes;
  reasoning.append(breaks_, 0, passed);
  breaks_.erase(0, passed);
}

std::string ReasoningReader::Finish(std::string& reasoning) {
  if (inside()) {
    Reason(std::exchange(held_, {}), reasoning);
    reasoning += std::exchange(breaks_, {});
  }
  return std::exchange(held_, {});
}

}  // namespace baton::api
