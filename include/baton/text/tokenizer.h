#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton::text {

struct EncodeOptions {
  /// Adds what the model's post-processor adds, e.g. the token that begins every text. Off for the
  /// output of a chat template, which writes these tokens itself.
  bool add_special_tokens = true;
  /// Reads "<|im_end|>" in the text as the special token. Off for text that must stay text.
  bool parse_special = true;
};

/// Text to token ids and back, as a Hugging Face tokenizer.json describes it.
/// Byte-level BPE, and BPE over characters with byte fallback (SentencePiece converted).
/// *Threads*: immutable after Load.
class Tokenizer {
 public:
  /// Reads tokenizer.json and, where it is there, tokenizer_config.json.
  /// *Fails with* NotFound; InvalidArgument naming file and JSON path; Unimplemented naming the
  /// kind of normalizer, pre-tokenizer, model, post-processor or decoder that is not supported.
  static Result<std::unique_ptr<Tokenizer>> Load(const std::filesystem::path& model_folder);
  ~Tokenizer();

  /// Broken UTF-8 in `text` is read as U+FFFD.
  std::vector<TokenId> Encode(std::string_view text, EncodeOptions options = {}) const;

  /// Always valid UTF-8: broken sequences become U+FFFD. Ids outside the vocabulary give nothing.
  std::string Decode(std::span<const TokenId> tokens, bool skip_special = true) const;

  /// What the token adds to the text, perhaps half a character. Empty outside the vocabulary.
  const std::string& TokenBytes(TokenId token) const;
  bool IsSpecial(TokenId token) const;
  /// The id of a token as it is written in tokenizer.json, e.g. "<|im_end|>".
  std::optional<TokenId> Find(std::string_view token) const;

  /// One more than the largest id.
  int vocabulary_size() const;
  /// As tokenizer_config.json names them; generation may end on other tokens too.
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  std::optional<TokenId> pad() const;
  /// Whether a text's first token loses its leading space when decoded (SentencePiece).
  bool strips_leading_space() const;

  /// The stages, private to the module.
  struct Parts;

 private:
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace baton::text
