#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "baton/grammar/grammar_cache.h"
#include "baton/grammar/vocabulary.h"
#include "baton/request/token_constraint.h"

namespace baton::worker {

/// Grammars over the vocabulary of the model's tokenizer. That is loaded for the first grammar,
/// since most workers see none. *Threads*: thread-safe.
class Grammars final : public TokenConstraintFactory {
 public:
  /// `ends`: the tokens that end the model's outputs, which spell no text.
  Grammars(std::filesystem::path model_folder, std::vector<TokenId> ends)
      : model_folder_(std::move(model_folder)), ends_(std::move(ends)) {}

  Result<std::unique_ptr<TokenConstraint>> Make(const std::string& grammar) override;

 private:
  void LoadVocabulary();

  const std::filesystem::path model_folder_;
  const std::vector<TokenId> ends_;
  grammar::GrammarCache cache_;
  std::once_flag loaded_;
  /// Null where the model has no tokenizer; then why.
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;
  Status problem_;
};

}  // namespace baton::worker
