#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/random.h"

namespace baton::loadgen {

/// Common English words, most of which are one token to the large tokenizers. A text of them is
/// every word with a space before it, so that its tokens are the sum of its words'.
std::span<const std::string_view> CommonWords();

/// Makes texts of a given number of tokens. *Threads*: immutable.
class WordList {
 public:
  /// Counts every word as one token.
  WordList();
  /// `tokens[i]`: of " " and CommonWords()[i]; `overhead`: what the server adds to any prompt.
  WordList(const std::vector<int32_t>& tokens, int32_t overhead);

  /// Adds words of `tokens` together, as random says; a few less where no word is short enough.
  void Append(std::string& text, int64_t tokens, Random random) const;
  int32_t overhead() const { return overhead_; }

 private:
  struct Word {
    std::string_view text;
    int32_t tokens = 1;
  };
  /// The cheapest first.
  std::vector<Word> words_;
  int32_t overhead_ = 0;
};

}  // namespace baton::loadgen
