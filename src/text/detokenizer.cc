#include "baton/text/detokenizer.h"

#include <utility>

#include "baton/text/utf8.h"

namespace baton::text {

std::string Detokenizer::Push(TokenId token) {
  return skip_special_ && tokenizer_.IsSpecial(token) ? std::string() : PushShown(token);
}

std::string Detokenizer::PushShown(TokenId token) {
  std::string_view bytes = tokenizer_.TokenBytes(token);
  if (at_start_ && !bytes.empty()) {
    at_start_ = false;
    if (tokenizer_.strips_leading_space() && bytes.front() == ' ') bytes.remove_prefix(1);
  }
  held_ += bytes;
  std::string certain;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Step step = NextUtf8(rest);
    if (step.kind == Utf8Step::Kind::kIncomplete) break;
    certain += step.kind == Utf8Step::Kind::kCharacter ? rest.substr(0, step.bytes)
                                                       : kReplacementCharacter;
    rest.remove_prefix(step.bytes);
  }
  held_.erase(0, held_.size() - rest.size());
  return certain;
}

std::string Detokenizer::Finish() {
  at_start_ = true;
  return ToValidUtf8(std::exchange(held_, {}));
}

}  // namespace baton::text
