#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "added_tokens.h"
#include "baton/text/tokenizer.h"
#include "bpe.h"
#include "normalizer.h"
#include "pre_tokenizer.h"

namespace baton::text {

/// The stages of a tokenizer, in the order in which text passes them.
struct Tokenizer::Parts {
  std::vector<AddedToken> added;
  AddedTokenFinder raw_finder;
  Normalizer normalizer;
  AddedTokenFinder normalized_finder;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  /// What the post-processor puts around a text.
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;

  /// The id of a token as tokenizer.json writes it.
  std::optional<TokenId> Find(std::string_view token) const;

  struct Token {
    std::string bytes;
    bool special = false;
  };
  /// By id.
  std::vector<Token> tokens;
  Vocabulary added_ids;
  bool strips_leading_space = false;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> pad;
};

}  // namespace baton::text
