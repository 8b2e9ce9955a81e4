#include "grammars.h"

#include <algorithm>
#include <span>
#include <utility>

#include "baton/grammar/matcher.h"
#include "baton/text/tokenizer.h"

namespace baton::worker {
namespace {

/// A matcher whose masks are as long as the model's vocabulary, which is not always as large as the
/// tokenizer's.
class MatcherConstraint final : public TokenConstraint {
 public:
  MatcherConstraint(grammar::Matcher matcher, size_t mask_words)
      : matcher_(std::move(matcher)), mask_words_(mask_words) {}

  bool Accept(TokenId token) override { return matcher_.Accept(token); }
  void FillMask(std::span<uint32_t> words) const override {
    if (words.size() >= mask_words_) return matcher_.FillMask(words);
    std::vector<uint32_t> all(mask_words_);
    matcher_.FillMask(all);
    std::copy_n(all.begin(), words.size(), words.begin());
  }
  bool MayEnd() const override { return matcher_.MayEnd(); }

 private:
  grammar::Matcher matcher_;
  const size_t mask_words_;
};

}  // namespace

Result<std::unique_ptr<TokenConstraint>> Grammars::Make(const std::string& grammar) {
  std::call_once(loaded_, [this] { LoadVocabulary(); });
  if (!vocabulary_) return problem_;
  BATON_ASSIGN_OR_RETURN(auto compiled, cache_.Get(grammar));
  return std::unique_ptr<TokenConstraint>(std::make_unique<MatcherConstraint>(
      grammar::Matcher(std::move(compiled), vocabulary_), vocabulary_->mask_words()));
}

void Grammars::LoadVocabulary() {
  const auto tokenizer = text::Tokenizer::Load(model_folder_);
  if (!tokenizer.ok()) {
    problem_ = FailedPrecondition("a grammar needs the model's tokenizer: " +
                                  tokenizer.status().message());
    return;
  }
  std::vector<TokenId> ends = ends_;
  std::erase_if(ends, [&](TokenId end) { return end >= (*tokenizer)->vocabulary_size(); });
  vocabulary_ = grammar::Vocabulary::Of(**tokenizer, std::move(ends));
}

}  // namespace baton::worker
