#include "call_object.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace baton::api {

namespace {

bool HoldsArguments(std::string_view key) { return key == "arguments" || key == "parameters"; }

/// A name that is too long before `c`. It ends between characters, since what follows is text.
bool IsTooLong(std::string_view name, char c) {
  return name.size() > CallObject::kMostNameBytes && (c & 0xC0) != 0x80;
}

bool IsUsualKey(std::string_view key) {
  constexpr std::string_view kUsual[] = {"name", "arguments", "parameters", "type", "id"};
  return std::ranges::find(kUsual, key) != std::end(kUsual);
}

}  // namespace

CallObject::Step CallObject::Push(char c) {
  switch (state_) {
    case State::kName: return OnName(c);
    case State::kKey:
      if (IsTooLong(key_, c)) return Step::kBroken;
      return string_.Push(c, key_) ? Step::kInside : OnKeyEnd();
    case State::kString:
      if (!string_.Push(c, arguments_)) state_ = State::kComma;
      return Step::kInside;
    case State::kArguments:
    case State::kOther: return OnExtent(c);
    default: break;
  }
  if (IsJsonSpace(c)) return Step::kInside;
  switch (state_) {
    case State::kOpen:
      if (c != '{') return Step::kBroken;
      state_ = State::kFirstKey;
      return Step::kInside;
    case State::kFirstKey:
    case State::kNextKey:
      if (c != '"') return Step::kBroken;
      key_.clear();
      state_ = State::kKey;
      return Step::kInside;
    case State::kColon:
      if (c != ':') return Step::kBroken;
      state_ = State::kValue;
      return Step::kInside;
    case State::kValue: return OnValue(c);
    case State::kComma: return OnComma(c);
    default: return Step::kBroken;
  }
}

CallObject::Step CallObject::OnKeyEnd() {
  if (strict_ && !IsUsualKey(key_)) return Step::kBroken;
  state_ = State::kColon;
  return Step::kInside;
}

CallObject::Step CallObject::OnValue(char c) {
  if (c == ',' || c == ':' || c == '}' || c == ']') return Step::kBroken;
  if (key_ == "name" && !begun()) {
    if (c != '"') return Step::kBroken;
    has_name_ = false;
    name_.clear();
    state_ = State::kName;
    return Step::kInside;
  }
  extent_ = {};
  if (!HoldsArguments(key_) || has_arguments_) {
    state_ = State::kOther;
    return OnExtent(c);
  }
  has_arguments_ = true;
  if (c == '"') {
    state_ = State::kString;
    return Step::kInside;
  }
  scalar_ = c != '{' && c != '[';
  state_ = State::kArguments;
  return OnExtent(c);
}

CallObject::Step CallObject::OnName(char c) {
  if (IsTooLong(name_, c)) return Step::kBroken;
  if (string_.Push(c, name_)) return Step::kInside;
  has_name_ = !name_.empty();
  state_ = State::kComma;
  return has_name_ ? Step::kInside : Step::kBroken;
}

/// A byte of the arguments, or of a value that does not matter.
CallObject::Step CallObject::OnExtent(char c) {
  const JsonExtent::Step step = extent_.Push(c);
  const bool arguments = state_ == State::kArguments;
  if (arguments && step != JsonExtent::Step::kAfter) arguments_ += c;
  if (step == JsonExtent::Step::kInside) return Step::kInside;
  if (arguments) EndArguments();
  state_ = State::kComma;
  return step == JsonExtent::Step::kAfter ? OnComma(c) : Step::kInside;
}

CallObject::Step CallObject::OnComma(char c) {
  if (IsJsonSpace(c)) return Step::kInside;
  if (c == ',') {
    state_ = State::kNextKey;
    return Step::kInside;
  }
  if (c != '}' || !has_name_) return Step::kBroken;
  state_ = State::kEnd;
  if (!std::exchange(has_arguments_, true)) arguments_ = "{}";
  return Step::kLast;
}

void CallObject::EndArguments() {
  if (std::exchange(scalar_, false) && arguments_ == "null") arguments_ = "{}";
}

std::string CallObject::TakeArguments() {
  return scalar_ ? std::string() : std::exchange(arguments_, {});
}

void CallObject::Finish() {
  if (state_ == State::kString) string_.Finish(arguments_);
  EndArguments();
}

}  // namespace baton::api
