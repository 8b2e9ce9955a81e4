#include "added_tokens.h"

#include <algorithm>

#include "baton/text/utf8.h"
#include "unicode.h"

namespace baton::text {
namespace {

/// The last character of valid UTF-8. REQUIRES: not empty.
Utf8Step LastCharacter(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return NextUtf8(text.substr(begin));
}

bool TouchesWord(std::string_view before, std::string_view after) {
  return (!before.empty() && IsWord(LastCharacter(before).code_point)) ||
         (!after.empty() && IsWord(NextUtf8(after).code_point));
}

size_t SpaceBytesAtEnd(std::string_view text) {
  const size_t size = text.size();
  while (!text.empty() && IsSpace(LastCharacter(text).code_point)) {
    text.remove_suffix(LastCharacter(text).bytes);
  }
  return size - text.size();
}

size_t SpaceBytesAtStart(std::string_view text) {
  const size_t size = text.size();
  while (!text.empty() && IsSpace(NextUtf8(text).code_point)) {
    text.remove_prefix(NextUtf8(text).bytes);
  }
  return size - text.size();
}

}  // namespace

Result<std::vector<AddedToken>> AddedTokensFromJson(const JsonPlace& place) {
  std::vector<AddedToken> tokens;
  if (place.is_null()) return tokens;
  BATON_RETURN_IF_ERROR(place.RequireArray());
  for (size_t i = 0; i < place.value().size(); ++i) {
    const JsonPlace at = place.At(i);
    AddedToken token;
    BATON_ASSIGN_OR_RETURN(token.id, at.Get("id").Token());
    BATON_ASSIGN_OR_RETURN(token.content, at.Get("content").String());
    BATON_ASSIGN_OR_RETURN(token.special, at.Get("special").BoolOr(false));
    BATON_ASSIGN_OR_RETURN(token.normalized, at.Get("normalized").BoolOr(!token.special));
    BATON_ASSIGN_OR_RETURN(token.single_word, at.Get("single_word").BoolOr(false));
    BATON_ASSIGN_OR_RETURN(token.lstrip, at.Get("lstrip").BoolOr(false));
    BATON_ASSIGN_OR_RETURN(token.rstrip, at.Get("rstrip").BoolOr(false));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void AddedTokenFinder::Add(const AddedToken& token, std::string_view written) {
  if (written.empty()) return;
  begins_[static_cast<uint8_t>(written[0])] = true;
  size_t at = 0;
  for (char c : written) {
    const auto [next, added] =
        nodes_[at].next.try_emplace(static_cast<uint8_t>(c), static_cast<int>(nodes_.size()));
    at = static_cast<size_t>(next->second);
    if (added) nodes_.emplace_back();
  }
  nodes_[at].token = &token;
}

const AddedToken* AddedTokenFinder::Longest(std::string_view text, size_t* length) const {
  const AddedToken* longest = nullptr;
  size_t at = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto next = nodes_[at].next.find(static_cast<uint8_t>(text[i]));
    if (next == nodes_[at].next.end()) break;
    at = static_cast<size_t>(next->second);
    if (nodes_[at].token == nullptr) continue;
    longest = nodes_[at].token;
    *length = i + 1;
  }
  return longest;
}

std::vector<Segment> AddedTokenFinder::Split(std::string_view text, bool parse_special) const {
  std::vector<Segment> segments;
  size_t covered = 0;
  for (size_t i = 0; i < text.size();) {
    size_t length = 0;
    const AddedToken* token =
        begins_[static_cast<uint8_t>(text[i])] ? Longest(text.substr(i), &length) : nullptr;
    if (token == nullptr) {
      ++i;
      continue;
    }
    size_t begin = i;
    size_t end = i + length;
    i = end;
    if (token->special && !parse_special) continue;
    if (token->single_word && TouchesWord(text.substr(0, begin), text.substr(end))) continue;
    if (token->lstrip) begin -= SpaceBytesAtEnd(text.substr(covered, begin - covered));
    if (token->rstrip) end += SpaceBytesAtStart(text.substr(end));
    if (begin > covered) segments.push_back({text.substr(covered, begin - covered)});
    segments.push_back({text.substr(begin, end - begin), token});
    covered = i = end;
  }
  if (covered < text.size()) segments.push_back({text.substr(covered)});
  return segments;
}

}  // namespace baton::text
