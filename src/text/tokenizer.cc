#include "baton/text/tokenizer.h"

#include "baton/text/detokenizer.h"
#include "baton/text/utf8.h"
#include "byte_alphabet.h"
#include "tokenizer_parts.h"

namespace baton::text {

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::Encode(std::string_view text, EncodeOptions options) const {
  std::string repaired;
  if (!IsValidUtf8(text)) text = repaired = ToValidUtf8(text);
  std::vector<TokenId> out;
  if (options.add_special_tokens) out = parts_->prefix;
  const auto encode_plain = [&](std::string_view plain) {
    const Words words = parts_->pre_tokenizer.Split(plain);
    for (std::string_view word : words.views) parts_->bpe.Encode(word, out);
  };
  for (const Segment& raw : parts_->raw_finder.Split(text, options.parse_special)) {
    if (raw.token != nullptr) {
      out.push_back(raw.token->id);
      continue;
    }
    std::string storage;
    std::string_view normal = raw.text;
    if (!parts_->normalizer.identity()) normal = storage = parts_->normalizer.Apply(raw.text);
    for (const Segment& part : parts_->normalized_finder.Split(normal, options.parse_special)) {
      if (part.token != nullptr) {
        out.push_back(part.token->id);
      } else {
        encode_plain(part.text);
      }
    }
  }
  if (options.add_special_tokens) {
    out.insert(out.end(), parts_->suffix.begin(), parts_->suffix.end());
  }
  return out;
}

std::string Tokenizer::Decode(std::span<const TokenId> tokens, bool skip_special) const {
  Detokenizer detokenizer(*this, skip_special);
  std::string text;
  for (TokenId token : tokens) text += detokenizer.Push(token);
  return text + detokenizer.Finish();
}

const std::string& Tokenizer::TokenBytes(TokenId token) const {
  static const std::string kNone;
  return token >= 0 && token < vocabulary_size() ? parts_->tokens[static_cast<size_t>(token)].bytes
                                                 : kNone;
}

bool Tokenizer::IsSpecial(TokenId token) const {
  return token >= 0 && token < vocabulary_size() &&
         parts_->tokens[static_cast<size_t>(token)].special;
}

std::optional<TokenId> Tokenizer::Find(std::string_view token) const { return parts_->Find(token); }

std::optional<TokenId> Tokenizer::Parts::Find(std::string_view token) const {
  if (const auto added_id = added_ids.find(token); added_id != added_ids.end()) {
    return added_id->second;
  }
  std::string key(token);
  if (pre_tokenizer.byte_level()) key = BytesOfWritten(token).value_or(key);
  const auto known = bpe.vocabulary().find(key);
  if (known == bpe.vocabulary().end()) return std::nullopt;
  return known->second;
}

int Tokenizer::vocabulary_size() const { return static_cast<int>(parts_->tokens.size()); }
std::optional<TokenId> Tokenizer::bos() const { return parts_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return parts_->eos; }
std::optional<TokenId> Tokenizer::pad() const { return parts_->pad; }
bool Tokenizer::strips_leading_space() const { return parts_->strips_leading_space; }

}  // namespace baton::text
