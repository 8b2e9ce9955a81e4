#include <algorithm>

#include "json_place.h"
#include "tokenizer_parts.h"

namespace baton::text {
namespace {

/// Longer than any token of a vocabulary that somebody uses.
constexpr size_t kMaxTokenBytes = 16384;

/// How tokens become text.
struct Decoder {
  bool byte_level = false;
  /// Written characters that stand for others, e.g. U+2581 for a space.
  std::vector<std::pair<std::string, std::string>> replacements;
  bool byte_fallback = false;
  bool strips_leading_space = false;
};

Status AddDecoder(const JsonPlace& place, Decoder& decoder) {
  BATON_ASSIGN_OR_RETURN(const std::string type, place.Get("type").String());
  if (type == "ByteLevel") {
    decoder.byte_level = true;
  } else if (type == "Sequence") {
    const JsonPlace parts = place.Get("decoders");
    BATON_RETURN_IF_ERROR(parts.RequireArray());
    for (size_t i = 0; i < parts.value().size(); ++i) {
      BATON_RETURN_IF_ERROR(AddDecoder(parts.At(i), decoder));
    }
  } else if (type == "Replace") {
    BATON_ASSIGN_OR_RETURN(std::string from, place.Get("pattern").Get("String").String());
    BATON_ASSIGN_OR_RETURN(std::string to, place.Get("content").String());
    if (from.empty()) return place.Get("pattern").Error("must not be empty");
    decoder.replacements.emplace_back(std::move(from), std::move(to));
  } else if (type == "ByteFallback") {
    decoder.byte_fallback = true;
  } else if (type == "Strip") {
    BATON_ASSIGN_OR_RETURN(const std::string content, place.Get("content").String());
    BATON_ASSIGN_OR_RETURN(const int64_t start, place.Get("start").Int());
    BATON_ASSIGN_OR_RETURN(const int64_t stop, place.Get("stop").Int());
    if (content != " " || start > 1 || stop != 0) return place.Unsupported("this Strip");
    decoder.strips_leading_space = start == 1;
  } else if (type != "Fuse") {
    return place.Unsupported("decoder " + type);
  }
  return OkStatus();
}

/// The tokens around "A" in the template of one sequence.
Status AddPostProcessor(const JsonPlace& place, std::vector<TokenId>& prefix,
                        std::vector<TokenId>& suffix) {
  if (place.is_null()) return OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::string type, place.Get("type").String());
  if (type == "ByteLevel") return OkStatus();
  if (type == "Sequence") {
    const JsonPlace parts = place.Get("processors");
    BATON_RETURN_IF_ERROR(parts.RequireArray());
    for (size_t i = 0; i < parts.value().size(); ++i) {
      BATON_RETURN_IF_ERROR(AddPostProcessor(parts.At(i), prefix, suffix));
    }
    return OkStatus();
  }
  if (type != "TemplateProcessing") return place.Unsupported("post-processor " + type);
  const JsonPlace single = place.Get("single");
  BATON_RETURN_IF_ERROR(single.RequireArray());
  bool after_text = false;
  for (size_t i = 0; i < single.value().size(); ++i) {
    const JsonPlace special = single.At(i).Get("SpecialToken");
    if (special.is_null()) {
      after_text = true;
      continue;
    }
    BATON_ASSIGN_OR_RETURN(const std::string name, special.Get("id").String());
    const JsonPlace ids = place.Get("special_tokens").Get(name).Get("ids");
    BATON_RETURN_IF_ERROR(ids.RequireArray());
    for (size_t k = 0; k < ids.value().size(); ++k) {
      BATON_ASSIGN_OR_RETURN(const TokenId id, ids.At(k).Token());
      (after_text ? suffix : prefix).push_back(id);
    }
  }
  return OkStatus();
}

/// What a token stands for, given how it is written.
Result<std::string> Decoded(std::string text, const Decoder& decoder, const JsonPlace& place) {
  for (const auto& [from, to] : decoder.replacements) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
      text.replace(at, from.size(), to);
      at += to.size();
      // A replacement may double the text, and the next one again.
      if (text.size() > kMaxTokenBytes) return place.Error("makes tokens too long");
    }
  }
  return text;
}

/// The written form of tokenizer_config.json's token `key`: a string, or an object with "content".
Result<std::string> NamedToken(const JsonPlace& config, const std::string& key) {
  JsonPlace place = config.Get(key);
  if (place.value().is_object()) place = place.Get("content");
  if (place.is_null()) return std::string();
  return place.String();
}

}  // namespace

/// Fills in what each id stands for, and where the added tokens are sought.
static Status FillTokens(const Decoder& decoder, const JsonPlace& place, Tokenizer::Parts& parts) {
  TokenId last = -1;
  for (const auto& [bytes, id] : parts.bpe.vocabulary()) last = std::max(last, id);
  for (const AddedToken& token : parts.added) last = std::max(last, token.id);
  parts.tokens.resize(static_cast<size_t>(last + 1));
  for (const auto& [bytes, id] : parts.bpe.vocabulary()) {
    BATON_ASSIGN_OR_RETURN(parts.tokens[static_cast<size_t>(id)].bytes,
                           Decoded(bytes, decoder, place));
  }
  for (int byte = 0; byte < 256 && decoder.byte_fallback; ++byte) {
    const TokenId id = parts.bpe.byte_tokens()[static_cast<size_t>(byte)];
    if (id >= 0) parts.tokens[static_cast<size_t>(id)].bytes = static_cast<char>(byte);
  }
  for (const AddedToken& token : parts.added) {
    BATON_ASSIGN_OR_RETURN(std::string bytes, Decoded(token.content, decoder, place));
    parts.tokens[static_cast<size_t>(token.id)] = {std::move(bytes), token.special};
    parts.added_ids.insert_or_assign(token.content, token.id);
    if (token.normalized) {
      parts.normalized_finder.Add(token, parts.normalizer.Apply(token.content));
    } else {
      parts.raw_finder.Add(token, token.content);
    }
  }
  return OkStatus();
}

/// Reads tokenizer_config.json, where it is there.
static Status ReadNamedTokens(const std::filesystem::path& file, Tokenizer::Parts& parts) {
  if (!std::filesystem::exists(file)) return OkStatus();
  BATON_ASSIGN_OR_RETURN(const nlohmann::json document, ReadJsonFile(file));
  const JsonPlace config(document, file.string() + ": ");
  const std::pair<const char*, std::optional<TokenId>*> named[] = {
      {"bos_token", &parts.bos}, {"eos_token", &parts.eos}, {"pad_token", &parts.pad}};
  for (const auto& [key, id] : named) {
    BATON_ASSIGN_OR_RETURN(const std::string token, NamedToken(config, key));
    if (!token.empty()) *id = parts.Find(token);
    if (!token.empty() && !*id) {
      return config.Get(key).Error("\"" + token + "\" is not in the vocabulary");
    }
  }
  return OkStatus();
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::filesystem::path& model_folder) {
  const std::filesystem::path file = model_folder / "tokenizer.json";
  BATON_ASSIGN_OR_RETURN(const nlohmann::json document, ReadJsonFile(file));
  const JsonPlace root(document, file.string() + ": ");
  auto parts = std::make_unique<Parts>();
  BATON_ASSIGN_OR_RETURN(parts->normalizer, Normalizer::FromJson(root.Get("normalizer")));
  BATON_ASSIGN_OR_RETURN(parts->pre_tokenizer, PreTokenizer::FromJson(root.Get("pre_tokenizer")));
  const bool byte_level = parts->pre_tokenizer.byte_level();
  BATON_ASSIGN_OR_RETURN(parts->bpe, Bpe::FromJson(root.Get("model"), byte_level));
  BATON_ASSIGN_OR_RETURN(parts->added, AddedTokensFromJson(root.Get("added_tokens")));
  const JsonPlace post = root.Get("post_processor");
  BATON_RETURN_IF_ERROR(AddPostProcessor(post, parts->prefix, parts->suffix));
  Decoder decoder;
  BATON_RETURN_IF_ERROR(AddDecoder(root.Get("decoder"), decoder));
  if (decoder.byte_level != byte_level) {
    return root.Get("decoder").Unsupported("a decoder that does not fit the pre-tokenizer");
  }
  parts->strips_leading_space = decoder.strips_leading_space;
  BATON_RETURN_IF_ERROR(FillTokens(decoder, root.Get("decoder"), *parts));
  for (const auto* around : {&parts->prefix, &parts->suffix}) {
    for (TokenId id : *around) {
      if (id < 0 || static_cast<size_t>(id) >= parts->tokens.size()) {
        return post.Error("token " + std::to_string(id) + " is not in the vocabulary");
      }
    }
  }
  BATON_RETURN_IF_ERROR(ReadNamedTokens(model_folder / "tokenizer_config.json", *parts));
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(parts)));
}

}  // namespace baton::text
