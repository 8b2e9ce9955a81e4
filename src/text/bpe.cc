#include "bpe.h"

#include <algorithm>
#include <queue>

#include "baton/text/utf8.h"

namespace baton::text {
namespace {

/// Words up to this long are merged by scanning, which is faster than a queue while they are short.
constexpr size_t kShortWord = 32;

/// Where the first part ends: before a "\u2581" that follows something else.
size_t EndOfPart(std::string_view word) {
  size_t at = 0;
  while (word.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  return std::min(word.find(kSpaceMark, at), word.size());
}

/// A symbol of a long word: a node of a doubly linked list laid out in an array.
struct Link {
  TokenId token = 0;
  int previous = -1;
  int next = -1;
  bool alive = true;
};

struct Candidate {
  Merge merge;
  int left = 0;
  bool operator>(const Candidate& other) const {
    return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : left > other.left;
  }
};

}  // namespace

void Bpe::Encode(std::string_view word, std::vector<TokenId>& out) const {
  if (ignore_merges_) {
    if (const auto whole = vocabulary_.find(word); whole != vocabulary_.end()) {
      out.push_back(whole->second);
      return;
    }
  }
  if (!parts_at_spaces_) return EncodePart(word, out);
  while (!word.empty()) {
    const size_t end = EndOfPart(word);
    EncodePart(word.substr(0, end), out);
    word.remove_prefix(end);
  }
}

void Bpe::EncodePart(std::string_view part, std::vector<TokenId>& out) const {
  std::vector<TokenId> symbols = Symbols(part);
  if (symbols.size() <= kShortWord) {
    MergeShort(symbols);
  } else {
    MergeLong(symbols);
  }
  out.insert(out.end(), symbols.begin(), symbols.end());
}

std::vector<TokenId> Bpe::Symbols(std::string_view word) const {
  std::vector<TokenId> symbols;
  symbols.reserve(word.size());
  bool after_unknown = false;
  while (!word.empty()) {
    const size_t bytes = byte_level_ ? 1 : NextUtf8(word).bytes;
    const std::string_view character = word.substr(0, bytes);
    word.remove_prefix(bytes);
    bool unknown = false;
    if (byte_level_ && byte_symbols_[static_cast<uint8_t>(character[0])] >= 0) {
      symbols.push_back(byte_symbols_[static_cast<uint8_t>(character[0])]);
    } else if (const auto known = vocabulary_.find(character);
               !byte_level_ && known != vocabulary_.end()) {
      symbols.push_back(known->second);
    } else if (!AppendFallback(character, symbols)) {
      unknown = unknown_.has_value();
      if (unknown && !(fuse_unknown_ && after_unknown)) symbols.push_back(*unknown_);
    }
    after_unknown = unknown;
  }
  return symbols;
}

bool Bpe::AppendFallback(std::string_view character, std::vector<TokenId>& symbols) const {
  if (!byte_fallback_ || byte_level_) return false;
  const auto lacks = [&](char c) { return byte_tokens_[static_cast<uint8_t>(c)] < 0; };
  if (std::any_of(character.begin(), character.end(), lacks)) return false;
  for (char c : character) symbols.push_back(byte_tokens_[static_cast<uint8_t>(c)]);
  return true;
}

void Bpe::MergeShort(std::vector<TokenId>& symbols) const {
  Merge merges[kShortWord];
  size_t count = symbols.size();
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = merges_.Find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == Merge::kNever) break;
    symbols[best] = merges[best].result;
    std::copy(symbols.begin() + static_cast<long>(best) + 2,
              symbols.begin() + static_cast<long>(count),
              symbols.begin() + static_cast<long>(best) + 1);
    if (best + 2 < count) std::copy(merges + best + 2, merges + count - 1, merges + best + 1);
    --count;
    if (best + 1 < count) merges[best] = merges_.Find(symbols[best], symbols[best + 1]);
    if (best > 0) merges[best - 1] = merges_.Find(symbols[best - 1], symbols[best]);
  }
  symbols.resize(count);
}

void Bpe::MergeLong(std::vector<TokenId>& symbols) const {
  const int count = static_cast<int>(symbols.size());
  std::vector<Link> links(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int left) {
    if (left < 0 || links[left].next < 0) return;
    const Merge merge = merges_.Find(links[left].token, links[links[left].next].token);
    if (merge.rank != Merge::kNever) queue.push({merge, left});
  };
  for (int i = 0; i < count; ++i) links[i] = {symbols[i], i - 1, i + 1 < count ? i + 1 : -1};
  for (int i = 0; i < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Link& left = links[candidate.left];
    if (!left.alive || left.next < 0) continue;
    // The pair may have changed since it was offered.
    if (merges_.Find(left.token, links[left.next].token).rank != candidate.merge.rank) continue;
    links[left.next].alive = false;
    left.token = candidate.merge.result;
    left.next = links[left.next].next;
    if (left.next >= 0) links[left.next].previous = candidate.left;
    offer(left.previous);
    offer(candidate.left);
  }
  symbols.clear();
  for (int i = 0; i >= 0; i = links[i].next) symbols.push_back(links[i].token);
}

}  // namespace baton::text
