#pragma once

#include <sstream>

namespace baton {

/// Collects a message and ends the process when it goes out of scope. For bugs, never for input.
class CheckFailure {
 public:
  CheckFailure(const char* condition, const char* file, int line);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return message_; }

 private:
  std::ostringstream message_;
};

/// Gives the ternary below the type void on both sides.
struct CheckVoidify {
  void operator&(std::ostream&) const {}
};

}  // namespace baton

/// Ends the process with a message when `condition` is false. `BATON_CHECK(a < b) << "why";`
#define BATON_CHECK(condition)                      \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? (void)0                                     \
      : ::baton::CheckVoidify() & ::baton::CheckFailure(#condition, __FILE__, __LINE__).stream()
