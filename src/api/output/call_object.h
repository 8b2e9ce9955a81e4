#pragma once

#include <cstdint>
#include <string>

#include "json_extent.h"
#include "json_string.h"

namespace baton::api {

inline bool IsJsonSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/// Reads one call, byte by byte: {"name": "...", "arguments": {...}}, also with "parameters". The
/// members may come in any order; others are passed over. Arguments are kept as they are written,
/// but for those in a string, which is decoded, and for null, which is {}.
class CallObject {
 public:
  enum class Step { kInside, kLast, kBroken };
  static constexpr size_t kMostNameBytes = 256;

  /// `strict` takes no other members than those that models write: what nothing marks as a call is
  /// known early for something else.
  explicit CallObject(bool strict) : strict_(strict) {}

  /// kBroken: this is no call, if it has not begun; else nothing more can be read of it. The byte
  /// was not taken then.
  Step Push(char c);

  /// There are a name and arguments, or a name and the end.
  bool begun() const { return has_name_ && has_arguments_; }
  const std::string& name() const { return name_; }
  /// Takes what is new of the arguments. REQUIRES: begun().
  std::string TakeArguments();
  /// The text has ended: makes certain what is left of the arguments.
  void Finish();

 private:
  enum class State : uint8_t {
    kOpen,
    kFirstKey,
    kNextKey,
    kKey,
    kColon,
    kValue,
    kName,
    kString,
    kArguments,
    kOther,
    kComma,
    kEnd,
  };

  /// Each takes one byte in the state of its name, or says kBroken.
  Step OnKeyEnd();
  Step OnValue(char c);
  Step OnName(char c);
  Step OnExtent(char c);
  Step OnComma(char c);
  void EndArguments();

  bool strict_;
  State state_ = State::kOpen;
  JsonString string_;
  JsonExtent extent_;
  std::string key_;
  std::string name_;
  bool has_name_ = false;
  bool has_arguments_ = false;
  /// The arguments are null, a number or the like: certain only when whole.
  bool scalar_ = false;
  std::string arguments_;
};

}  // namespace baton::api
