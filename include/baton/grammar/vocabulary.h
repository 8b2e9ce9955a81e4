#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/text/tokenizer.h"

namespace baton::grammar {

/// The bytes of every token that may spell text, as a trie.
/// *Threads*: immutable.
class Vocabulary {
 public:
  /// `bytes[id]` is what token `id` adds to the text; a token of no bytes is never allowed, as is
  /// right for special tokens. `ends` are the tokens that end a text.
  Vocabulary(std::vector<std::string> bytes, std::vector<TokenId> ends);

  /// Of a tokenizer's tokens all but the special ones. Added tokens that are not special spell
  /// their text like others.
  static std::shared_ptr<const Vocabulary> Of(const text::Tokenizer& tokenizer,
                                              std::vector<TokenId> ends);

  int size() const { return static_cast<int>(bytes_.size()); }
  /// Of a mask: one bit per token, token 0 in the lowest bit of the first word.
  size_t mask_words() const { return (bytes_.size() + 31) / 32; }
  std::span<const TokenId> ends() const { return ends_; }
  bool IsEnd(TokenId token) const;
  /// Empty outside the vocabulary and for special tokens.
  const std::string& bytes(TokenId token) const;
  size_t longest_token_bytes() const { return longest_; }

  /// A node of the trie, in preorder: its children come right after it, and what follows its
  /// subtree is at `subtree_end`. Node 0 is the root, which has no byte.
  struct Node {
    uint32_t subtree_end = 0;
    /// Its tokens are tokens()[first_token, first_token of the next node); those of its whole
    /// subtree, up to the first_token of subtree_end.
    uint32_t first_token = 0;
    uint16_t depth = 0;
    uint8_t byte = 0;
  };
  /// The trie, and one more node that only ends the list of tokens.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const TokenId> tokens() const { return tokens_; }

 private:
  void SortByBytes();

  std::vector<std::string> bytes_;
  std::vector<TokenId> ends_;
  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;
  size_t longest_ = 0;
};

}  // namespace baton::grammar
