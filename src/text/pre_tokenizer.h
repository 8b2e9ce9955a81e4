#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"
#include "json_place.h"
#include "regex.h"

namespace baton::text {

/// The words of a text. A word views the text, or `made` where something was put before it.
struct Words {
  std::vector<std::string_view> views;
  std::deque<std::string> made;
};

/// Splits text into the words that merges never cross. *Threads*: immutable.
class PreTokenizer {
 public:
  /// A null place keeps the text whole. *Fails with* Unimplemented naming the kind.
  static Result<PreTokenizer> FromJson(const JsonPlace& place);

  /// Whether the model's symbols are bytes rather than characters.
  bool byte_level() const { return byte_level_; }

  /// REQUIRES: valid UTF-8, which outlives the words.
  Words Split(std::string_view text) const;

 private:
  enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };
  struct Step {
    Regex regex;
    Behavior behavior = Behavior::kIsolated;
    /// Swaps what the expression matches and the gaps.
    bool invert = false;
  };

  static Result<Step> SplitFromJson(const JsonPlace& place);
  Status Add(const JsonPlace& place);
  Status AddByteLevel(const JsonPlace& place);
  void PrefixSpaces(Words& words) const;
  static void Apply(const Step& step, std::string_view word, std::vector<std::string_view>& out);
  static void Merge(Behavior behavior, std::vector<RegexSpan>& spans);

  std::vector<Step> steps_;
  /// The step before which each word gets a leading space; past the end when none does.
  size_t prefix_space_at_ = SIZE_MAX;
  bool byte_level_ = false;
};

}  // namespace baton::text
