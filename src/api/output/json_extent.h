#pragma once

#include <cstdint>

namespace baton::api {

/// Finds where a JSON value ends, byte by byte: knows strings and nesting, and nothing else, so
/// that a value that is not quite JSON ends where its brackets do. Takes no memory for nesting.
class JsonExtent {
 public:
  enum class Step {
    kInside,
    /// The byte is the value's last.
    kLast,
    /// The value ended before the byte.
    kAfter,
  };

  /// REQUIRES: the first byte is neither white space nor one of , : } ].
  Step Push(char c) {
    if (in_string_) {
      const bool escaped = escaped_;
      escaped_ = !escaped && c == '\\';
      in_string_ = escaped || c != '"';
      return in_string_ || depth_ > 0 ? Step::kInside : Step::kLast;
    }
    if (depth_ == 0 && begun_ && EndsScalar(c)) return Step::kAfter;
    begun_ = true;
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') return --depth_ == 0 ? Step::kLast : Step::kInside;
    return Step::kInside;
  }

 private:
  static bool EndsScalar(char c) {
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
  }

  int64_t depth_ = 0;
  bool begun_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace baton::api
