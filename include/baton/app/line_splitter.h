#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace baton::app {

/// Cuts a stream into lines. *Invariants*: holds at most kLongestLine bytes; a longer line is
/// handed on in pieces.
class LineSplitter {
 public:
  using Take = std::function<void(std::string_view line)>;
  static constexpr size_t kLongestLine = 16 << 10;

  void Append(std::string_view bytes, const Take& take);
  /// Hands on a last line without an end.
  void Finish(const Take& take);

 private:
  std::string pending_;
};

}  // namespace baton::app
