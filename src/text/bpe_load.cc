#include <algorithm>
#include <cstdio>

#include "bpe.h"
#include "byte_alphabet.h"

namespace baton::text {

using nlohmann::json;

namespace {

/// Whether a "\u2581" follows something else in the token.
bool CrossesSpace(std::string_view token) {
  for (size_t at = token.find(kSpaceMark); at != std::string_view::npos;
       at = token.find(kSpaceMark, at + kSpaceMark.size())) {
    if (at > 0 && !token.substr(0, at).ends_with(kSpaceMark)) return true;
  }
  return false;
}

}  // namespace

Result<Bpe> Bpe::FromJson(const JsonPlace& model, bool byte_level) {
  BATON_RETURN_IF_ERROR(model.RequireObject());
  // Old files leave the type out.
  if (!model.Get("type").is_null() || model.Get("merges").is_null()) {
    BATON_ASSIGN_OR_RETURN(const std::string type, model.Get("type").String());
    if (type != "BPE") return model.Unsupported("model " + type);
  }
  Bpe bpe;
  bpe.byte_level_ = byte_level;
  BATON_RETURN_IF_ERROR(bpe.ReadVocabulary(model.Get("vocab")));
  BATON_RETURN_IF_ERROR(bpe.ReadMerges(model.Get("merges")));
  BATON_RETURN_IF_ERROR(bpe.ReadOptions(model));
  return bpe;
}

Status Bpe::ReadVocabulary(const JsonPlace& place) {
  BATON_RETURN_IF_ERROR(place.RequireObject());
  vocabulary_.reserve(place.value().size());
  for (const auto& [written, id] : place.value().items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocabulary) {
      return place.Get(written).Error("expected a token id");
    }
    const TokenId token = id.get<TokenId>();
    std::string key = byte_level_ ? BytesOfWritten(written).value_or(written) : written;
    if (const auto [at, added] = vocabulary_.try_emplace(std::move(key), token); !added) {
      return place.Get(written).Error("is there twice");
    }
  }
  byte_symbols_.fill(-1);
  byte_tokens_.fill(-1);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (const auto at = vocabulary_.find(std::string_view(&c, 1)); at != vocabulary_.end()) {
      byte_symbols_[static_cast<size_t>(byte)] = at->second;
    }
    char written[8];
    std::snprintf(written, sizeof written, "<0x%02X>", static_cast<unsigned>(byte));
    if (const auto at = vocabulary_.find(std::string_view(written)); at != vocabulary_.end()) {
      byte_tokens_[static_cast<size_t>(byte)] = at->second;
    }
  }
  return OkStatus();
}

Result<TokenId> Bpe::Known(std::string_view token, const JsonPlace& place) const {
  const auto at = vocabulary_.find(token);
  if (at == vocabulary_.end()) {
    return place.Error("\"" + std::string(token) + "\" is not in the vocabulary");
  }
  return at->second;
}

Status Bpe::ReadMerges(const JsonPlace& place) {
  BATON_RETURN_IF_ERROR(place.RequireArray());
  merges_.Reserve(place.value().size());
  parts_at_spaces_ = !byte_level_;
  for (size_t i = 0; i < place.value().size(); ++i) {
    const json& merge = place.value()[i];
    std::string left, right;
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else if (merge.is_string()) {
      const std::string& both = merge.get_ref<const std::string&>();
      const size_t space = both.find(' ');
      if (space == std::string::npos) return place.At(i).Error("expected two tokens");
      left = both.substr(0, space);
      right = both.substr(space + 1);
    } else {
      return place.At(i).Error("expected two tokens");
    }
    if (byte_level_) left = BytesOfWritten(left).value_or(left);
    if (byte_level_) right = BytesOfWritten(right).value_or(right);
    BATON_ASSIGN_OR_RETURN(const TokenId left_id, Known(left, place.At(i)));
    BATON_ASSIGN_OR_RETURN(const TokenId right_id, Known(right, place.At(i)));
    BATON_ASSIGN_OR_RETURN(const TokenId result, Known(left + right, place.At(i)));
    parts_at_spaces_ = parts_at_spaces_ && !CrossesSpace(left + right);
    merges_.Insert(left_id, right_id, {static_cast<uint32_t>(i), result});
  }
  return OkStatus();
}

bool Bpe::NothingIsUnknown() const {
  return byte_fallback_ && std::ranges::find(byte_tokens_, -1) == byte_tokens_.end();
}

Status Bpe::ReadOptions(const JsonPlace& model) {
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonPlace place = model.Get(affix);
    if (!place.is_null() && place.value() != "") return place.Unsupported("an affix");
  }
  const JsonPlace dropout = model.Get("dropout");
  if (!dropout.is_null() && dropout.value() != 0) return dropout.Unsupported("dropout");
  BATON_ASSIGN_OR_RETURN(ignore_merges_, model.Get("ignore_merges").BoolOr(false));
  BATON_ASSIGN_OR_RETURN(byte_fallback_, model.Get("byte_fallback").BoolOr(false));
  BATON_ASSIGN_OR_RETURN(fuse_unknown_, model.Get("fuse_unk").BoolOr(false));
  // A run of unknown characters is one token, wherever it is cut.
  parts_at_spaces_ = parts_at_spaces_ && (NothingIsUnknown() || !fuse_unknown_);
  const JsonPlace unknown = model.Get("unk_token");
  if (unknown.is_null()) return OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::string token, unknown.String());
  BATON_ASSIGN_OR_RETURN(unknown_, Known(token, unknown));
  return OkStatus();
}

}  // namespace baton::text
