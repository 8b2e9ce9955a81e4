#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"

namespace baton::text {

/// A piece of a text: [begin, end) in bytes, and whether the pattern matched it.
struct RegexSpan {
  size_t begin = 0;
  size_t end = 0;
  bool matched = false;
};

/// A compiled pattern with the meaning that Oniguruma gives it, which tokenizer.json is written
/// for. *Threads*: immutable.
class Regex {
 public:
  /// *Fails with* InvalidArgument with the offset in the pattern; Unimplemented for syntax that
  /// the two engines read differently.
  static Result<Regex> Compile(const std::string& pattern);

  /// The matches from left to right and the gaps between them: together the whole text, in order.
  /// REQUIRES: valid UTF-8.
  void Spans(std::string_view text, std::vector<RegexSpan>& spans) const;

 private:
  explicit Regex(std::shared_ptr<const void> code) : code_(std::move(code)) {}
  std::shared_ptr<const void> code_;
};

}  // namespace baton::text
