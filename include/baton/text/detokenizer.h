#pragma once

#include <string>

#include "baton/base/ids.h"
#include "baton/text/tokenizer.h"

namespace baton::text {

/// Turns the tokens of one output into text as they arrive. What Push and Finish return, joined, is
/// what Tokenizer::Decode gives for all tokens. *Threads*: lives on one thread.
class Detokenizer {
 public:
  /// REQUIRES: `tokenizer` outlives this.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  /// The text that became certain: whole characters only, often empty, valid UTF-8.
  std::string Push(TokenId token);
  /// The same, of a token that is not skipped though it may be special.
  std::string PushShown(TokenId token);

  /// The rest: bytes of a character that never became whole are U+FFFD. Ready for a new output.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  const bool skip_special_;
  bool at_start_ = true;
  /// At most three bytes that may still begin a character.
  std::string held_;
};

}  // namespace baton::text
