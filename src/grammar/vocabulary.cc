#include "baton/grammar/vocabulary.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "baton/base/check.h"

namespace baton::grammar {
namespace {

size_t CommonPrefix(const std::string& a, const std::string& b) {
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(at - a.begin());
}

/// The first eight bytes as a number in whose order they sort; absent ones are zero.
uint64_t FirstBytes(const std::string& bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) {
    number = number << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0);
  }
  return number;
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> bytes, std::vector<TokenId> ends)
    : bytes_(std::move(bytes)), ends_(std::move(ends)) {
  for (const TokenId end : ends_) {
    BATON_CHECK(end >= 0 && end < size()) << "no token " << end;
    bytes_[static_cast<size_t>(end)].clear();
  }
  for (TokenId token = 0; token < size(); ++token) {
    std::string& spelt = bytes_[static_cast<size_t>(token)];
    // A longer one is no token that a model would ever draw.
    if (spelt.size() > std::numeric_limits<uint16_t>::max()) spelt.clear();
    longest_ = std::max(longest_, spelt.size());
    if (!spelt.empty()) tokens_.push_back(token);
  }
  SortByBytes();
  nodes_.emplace_back();
  // The nodes from the root to the last token, whose subtrees are still growing.
  std::vector<uint32_t> open = {0};
  const auto close = [&](size_t depth) {
    for (; open.size() > depth + 1; open.pop_back()) {
      nodes_[open.back()].subtree_end = static_cast<uint32_t>(nodes_.size());
    }
  };
  const std::string none;
  const std::string* previous = &none;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& spelt = this->bytes(tokens_[i]);
    close(CommonPrefix(*previous, spelt));
    while (open.size() <= spelt.size()) {
      const auto depth = static_cast<uint16_t>(open.size());
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back(
          {0, static_cast<uint32_t>(i), depth, static_cast<uint8_t>(spelt[depth - 1u])});
    }
    previous = &spelt;
  }
  close(0);
  nodes_[0].subtree_end = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({static_cast<uint32_t>(nodes_.size()), static_cast<uint32_t>(tokens_.size())});
}

void Vocabulary::SortByBytes() {
  // Most tokens differ in their first eight bytes, which compare as one number.
  std::vector<std::pair<uint64_t, TokenId>> order;
  order.reserve(tokens_.size());
  for (const TokenId token : tokens_) order.emplace_back(FirstBytes(bytes(token)), token);
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const int rest = bytes(a.second).compare(bytes(b.second));
    return rest < 0 || (rest == 0 && a.second < b.second);
  });
  for (size_t i = 0; i < order.size(); ++i) tokens_[i] = order[i].second;
}

std::shared_ptr<const Vocabulary> Vocabulary::Of(const text::Tokenizer& tokenizer,
                                                 std::vector<TokenId> ends) {
  std::vector<std::string> bytes(static_cast<size_t>(tokenizer.vocabulary_size()));
  for (TokenId token = 0; token < tokenizer.vocabulary_size(); ++token) {
    if (!tokenizer.IsSpecial(token))
      bytes[static_cast<size_t>(token)] = tokenizer.TokenBytes(token);
  }
  return std::make_shared<const Vocabulary>(std::move(bytes), std::move(ends));
}

bool Vocabulary::IsEnd(TokenId token) const {
  return std::find(ends_.begin(), ends_.end(), token) != ends_.end();
}

const std::string& Vocabulary::bytes(TokenId token) const {
  static const std::string kNone;
  return token >= 0 && token < size() ? bytes_[static_cast<size_t>(token)] : kNone;
}

}  // namespace baton::grammar
