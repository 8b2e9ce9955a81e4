#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "json_place.h"
#include "merge_table.h"

namespace baton::text {

/// How SentencePiece writes a space.
inline constexpr std::string_view kSpaceMark = "\u2581";

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Tokens by what they stand for: bytes in a byte-level vocabulary, else as written.
using Vocabulary = std::unordered_map<std::string, TokenId, StringHash, std::equal_to<>>;

/// Byte-pair encoding of one word. *Threads*: immutable.
class Bpe {
 public:
  /// *Fails with* InvalidArgument naming the place; Unimplemented naming the option.
  static Result<Bpe> FromJson(const JsonPlace& model, bool byte_level);

  /// Appends the word's tokens. *Cost*: n log n in the length of the word, or of its longest part
  /// where no merge crosses the start of a "\u2581".
  void Encode(std::string_view word, std::vector<TokenId>& out) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// The token of each byte of a vocabulary with byte fallback ("<0x0A>"), or -1.
  const std::array<TokenId, 256>& byte_tokens() const { return byte_tokens_; }

 private:
  Status ReadVocabulary(const JsonPlace& place);
  Status ReadMerges(const JsonPlace& place);
  Status ReadOptions(const JsonPlace& model);
  Result<TokenId> Known(std::string_view written, const JsonPlace& place) const;
  void EncodePart(std::string_view part, std::vector<TokenId>& out) const;
  bool NothingIsUnknown() const;
  std::vector<TokenId> Symbols(std::string_view word) const;
  bool AppendFallback(std::string_view character, std::vector<TokenId>& symbols) const;
  void MergeShort(std::vector<TokenId>& symbols) const;
  void MergeLong(std::vector<TokenId>& symbols) const;

  bool byte_level_ = false;
  bool ignore_merges_ = false;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
  /// A text without pre-tokenizer falls apart before each run of "\u2581" all the same.
  bool parts_at_spaces_ = false;
  std::optional<TokenId> unknown_;
  Vocabulary vocabulary_;
  MergeTable merges_;
  /// The first symbol of each byte: its token in a byte-level vocabulary, or -1.
  std::array<TokenId, 256> byte_symbols_;
  std::array<TokenId, 256> byte_tokens_;
};

}  // namespace baton::text
