#include "tool_reader.h"

#include <algorithm>
#include <utility>

#include "baton/base/random.h"
#include "marker.h"

namespace baton::api {

namespace {

constexpr std::string_view kSpace = " \n\r\t";
/// Of white space so many bytes are held back, the last ones.
constexpr size_t kMostSpaceBytes = 256;

constexpr std::string_view kArgumentsTag = "[ARGS]";
constexpr std::string_view kIdTag = "[CALL_ID]";
constexpr std::string_view kHermesEnd = "</tool_call>";

std::string_view MarkerOf(ToolFormat format) {
  switch (format) {
    case ToolFormat::kHermes: return "<tool_call>";
    case ToolFormat::kLlama3: return "<|python_tag|>";
    case ToolFormat::kMistral: return "[TOOL_CALLS]";
    case ToolFormat::kNone: break;
  }
  return {};
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

}  // namespace

std::string CallId(ToolFormat format, uint64_t seed, int index) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  constexpr size_t kDigitsPerWord = 6;
  std::string digits;
  for (uint32_t word : Philox4x32({static_cast<uint32_t>(index), 0, 3, 0}, seed))
    for (size_t i = 0; i < kDigitsPerWord; ++i, word /= kDigits.size())
      digits += kDigits[word % kDigits.size()];
  return format == ToolFormat::kMistral ? digits.substr(0, 9) : "call_" + digits;
}

ToolReader::ToolReader(const OutputReading& reading)
    : format_(reading.tools),
      tool_names_(reading.tool_names),
      one_call_(reading.one_call),
      state_(reading.tools == ToolFormat::kLlama3 ? State::kLead : State::kText) {}

void ToolReader::Push(std::string_view text, ChoiceDelta& delta) {
  while (!text.empty() && state_ != State::kDone) {
    if (state_ == State::kText) {
      text = PushText(text, delta);
    } else if (PushByte(text.front(), delta)) {
      text.remove_prefix(1);
    }
  }
}

std::string_view ToolReader::PushText(std::string_view text, ChoiceDelta& delta) {
  const std::string_view marker = MarkerOf(format_);
  held_ += text;
  const size_t at = held_.find(marker);
  if (at == std::string::npos) {
    const size_t keep = BytesThatMayBegin(marker, held_);
    const std::string passed = held_.substr(0, held_.size() - keep);
    held_.erase(0, passed.size());
    Text(passed, delta);
    return {};
  }
  const size_t behind = held_.size() - at - marker.size();
  Text(std::string_view(held_).substr(0, at), delta);
  held_ = marker;
  marked_ = true;
  state_ = State::kMarked;
  return text.substr(text.size() - behind);
}

bool ToolReader::PushByte(char c, ChoiceDelta& delta) {
  switch (state_) {
    case State::kLead: return OnLead(c);
    case State::kMarked: return OnMarked(c, delta);
    case State::kNext: return OnNext(c, delta);
    case State::kObject: return OnObject(c, delta);
    case State::kBareName: return OnBareName(c, delta);
    case State::kBareTag:
    case State::kBareId: return OnBareTag(c, delta);
    case State::kBareOpen: return OnBareOpen(c, delta);
    case State::kBareArguments: return OnBareArguments(c, delta);
    case State::kBetween: return OnBetween(c);
    case State::kText:
    case State::kDone: break;
  }
  return true;
}

/// Holds `c` back, or gives up when too much is.
bool ToolReader::Hold(char c, ChoiceDelta& delta) {
  held_ += c;
  if (held_.size() > OutputReader::kMostHeldBytes) GiveUp(delta);
  return true;
}

bool ToolReader::OnLead(char c) {
  if (IsJsonSpace(c) && held_.size() < kMostSpaceBytes) {
    held_ += c;
    return true;
  }
  if (c != '{') {
    state_ = State::kText;
    return false;
  }
  object_ = CallObject(/*strict=*/true);
  announced_ = false;
  state_ = State::kObject;
  return false;
}

bool ToolReader::OnMarked(char c, ChoiceDelta& delta) {
  if (IsJsonSpace(c)) return Hold(c, delta);
  if (c == '{') return BeginObject(c, delta);
  if (format_ == ToolFormat::kMistral && c == '[') {
    in_list_ = true;
    state_ = State::kNext;
    return Hold(c, delta);
  }
  if (format_ == ToolFormat::kMistral && IsNameByte(c)) {
    bare_name_.clear();
    state_ = State::kBareName;
    return false;
  }
  GiveUp(delta);
  return false;
}

bool ToolReader::OnNext(char c, ChoiceDelta& delta) {
  if (IsJsonSpace(c)) return Hold(c, delta);
  if (c == '{') return BeginObject(c, delta);
  GiveUp(delta);
  return false;
}

bool ToolReader::BeginObject(char c, ChoiceDelta& delta) {
  object_ = CallObject(/*strict=*/!marked_);
  announced_ = false;
  state_ = State::kObject;
  return OnObject(c, delta);
}

bool ToolReader::OnObject(char c, ChoiceDelta& delta) {
  const CallObject::Step step = object_.Push(c);
  if (step == CallObject::Step::kBroken) {
    GiveUp(delta);
    return false;
  }
  if (!announced_) {
    Hold(c, delta);
    if (state_ != State::kObject) return true;
    if (object_.begun() && !Announce(object_.name(), delta)) return true;
  }
  if (announced_) Arguments(object_.TakeArguments(), delta);
  if (step == CallObject::Step::kLast) EndCall();
  return true;
}

bool ToolReader::OnBareName(char c, ChoiceDelta& delta) {
  if (c == '{') return BeginBareArguments(delta);
  if (c == '[') {
    bare_tag_.clear();
    state_ = State::kBareTag;
    return false;
  }
  if (!IsNameByte(c) || bare_name_.size() >= CallObject::kMostNameBytes) {
    GiveUp(delta);
    return false;
  }
  bare_name_ += c;
  return Hold(c, delta);
}

/// A tag, or the id behind one, which is of no use: calls get ids of our own.
bool ToolReader::OnBareTag(char c, ChoiceDelta& delta) {
  if (state_ == State::kBareId) {
    if (c == '[') {
      bare_tag_.clear();
      state_ = State::kBareTag;
      return false;
    }
    if (IsNameByte(c)) return Hold(c, delta);
    GiveUp(delta);
    return false;
  }
  bare_tag_ += c;
  if (!kArgumentsTag.starts_with(bare_tag_) && !kIdTag.starts_with(bare_tag_)) {
    GiveUp(delta);
    return false;
  }
  if (bare_tag_ == kArgumentsTag) state_ = State::kBareOpen;
  if (bare_tag_ == kIdTag) state_ = State::kBareId;
  return Hold(c, delta);
}

bool ToolReader::OnBareOpen(char c, ChoiceDelta& delta) {
  if (IsJsonSpace(c)) return Hold(c, delta);
  if (c == '{') return BeginBareArguments(delta);
  GiveUp(delta);
  return false;
}

bool ToolReader::BeginBareArguments(ChoiceDelta& delta) {
  if (!Announce(bare_name_, delta)) return false;
  extent_ = {};
  state_ = State::kBareArguments;
  return false;
}

bool ToolReader::OnBareArguments(char c, ChoiceDelta& delta) {
  const JsonExtent::Step step = extent_.Push(c);
  Arguments({&c, 1}, delta);
  if (step != JsonExtent::Step::kInside) EndCall();
  return true;
}

bool ToolReader::OnBetween(char c) {
  if (held_.empty() && IsJsonSpace(c)) return true;
  if (format_ == ToolFormat::kHermes) return OnClosingTag(c);
  const bool list = format_ == ToolFormat::kLlama3 || in_list_;
  if (list && c == (in_list_ ? ',' : ';')) {
    held_ = c;
    state_ = State::kNext;
    return true;
  }
  state_ = State::kText;
  return std::exchange(in_list_, false) && c == ']';
}

/// What is not the tag may begin another marker.
bool ToolReader::OnClosingTag(char c) {
  held_ += c;
  if (!kHermesEnd.starts_with(held_)) {
    held_.pop_back();
    state_ = State::kText;
    return false;
  }
  if (held_ == kHermesEnd) {
    held_.clear();
    state_ = State::kText;
  }
  return true;
}

bool ToolReader::Announce(const std::string& name, ChoiceDelta& delta) {
  const bool known = marked_ || std::ranges::find(tool_names_, name) != tool_names_.end();
  if (!known || name.empty() || calls_ >= OutputReader::kMostCalls) {
    GiveUp(delta);
    return false;
  }
  space_.clear();
  held_.clear();
  announced_ = true;
  marked_ = true;
  delta.tool_calls.push_back({calls_, CallId(format_, seed_, calls_), name});
  ++calls_;
  return true;
}

void ToolReader::Arguments(std::string_view text, ChoiceDelta& delta) {
  if (text.empty()) return;
  if (delta.tool_calls.empty() || delta.tool_calls.back().index != calls_ - 1)
    delta.tool_calls.push_back({.index = calls_ - 1});
  delta.tool_calls.back().arguments += text;
}

void ToolReader::EndCall() {
  announced_ = false;
  behind_call_ = true;
  state_ = one_call_ ? State::kDone : State::kBetween;
}

void ToolReader::GiveUp(ChoiceDelta& delta) {
  if (marked_) ++broken_;
  announced_ = false;
  in_list_ = false;
  state_ = State::kText;
  const std::string text = std::exchange(held_, {});
  Text(text, delta);
}

void ToolReader::Text(std::string_view text, ChoiceDelta& delta) {
  if (behind_call_) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (text.empty()) return;
    behind_call_ = false;
  }
  const size_t last = text.find_last_not_of(kSpace);
  const size_t solid = last == std::string_view::npos ? 0 : last + 1;
  if (solid > 0) delta.text += std::exchange(space_, {});
  delta.text += text.substr(0, solid);
  space_ += text.substr(solid);
  if (space_.size() <= kMostSpaceBytes) return;
  const size_t passed = space_.size() - kMostSpaceBytes;
  delta.text.append(space_, 0, passed);
  space_.erase(0, passed);
}

void ToolReader::Finish(ChoiceDelta& delta) {
  switch (state_) {
    case State::kBetween:
    case State::kDone: return;
    case State::kLead:
    case State::kText: Text(std::exchange(held_, {}), delta); break;
    case State::kObject:
      if (!announced_) {
        GiveUp(delta);
        break;
      }
      object_.Finish();
      Arguments(object_.TakeArguments(), delta);
      ++broken_;
      break;
    case State::kBareArguments: ++broken_; break;
    default: GiveUp(delta);
  }
  delta.text += std::exchange(space_, {});
}

}  // namespace baton::api
