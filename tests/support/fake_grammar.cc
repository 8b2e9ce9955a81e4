#include "support/fake_grammar.h"

#include <algorithm>
#include <sstream>

#include "baton/base/check.h"

namespace baton::testing_support {
namespace {

/// Ids below are special tokens, as the end is.
constexpr TokenId kFirstText = 3;

struct Rule {
  int least = 0;
  int most = 0;
  uint64_t share = 1;
};

class FakeConstraint final : public TokenConstraint {
 public:
  explicit FakeConstraint(const Rule& rule) : rule_(rule) {}

  bool Accept(TokenId token) override {
    if (!MayFollow(token)) return false;
    history_ = (history_ ^ static_cast<uint64_t>(token)) * 0x100000001B3;
    ++count_;
    return true;
  }
  void FillMask(std::span<uint32_t> words) const override {
    for (size_t i = 0; i < words.size() * 32; ++i) {
      const uint32_t bit = 1u << (i % 32);
      uint32_t& word = words[i / 32];
      word = MayFollow(static_cast<TokenId>(i)) ? word | bit : word & ~bit;
    }
  }
  bool MayEnd() const override { return rule_.most >= 0 && count_ >= rule_.least; }

 private:
  bool MayFollow(TokenId token) const {
    if (token < kFirstText || count_ >= std::max(rule_.least, rule_.most)) return false;
    return (static_cast<uint64_t>(token) + (history_ >> 7)) % rule_.share == 0;
  }

  const Rule rule_;
  uint64_t history_ = 0xCBF29CE484222325;
  int count_ = 0;
};

}  // namespace

Result<std::unique_ptr<TokenConstraint>> FakeGrammars::Make(const std::string& grammar) {
  std::istringstream text(grammar);
  Rule rule;
  if (!(text >> rule.least >> rule.most >> rule.share) || rule.share == 0) {
    return InvalidArgument("'" + grammar + "' is no grammar");
  }
  return std::unique_ptr<TokenConstraint>(std::make_unique<FakeConstraint>(rule));
}

bool Allows(const std::string& grammar, const std::vector<TokenId>& tokens) {
  auto constraint = FakeGrammars().Make(grammar);
  BATON_CHECK(constraint.ok()) << constraint.status();
  return std::all_of(tokens.begin(), tokens.end(),
                     [&](TokenId token) { return (*constraint)->Accept(token); });
}

}  // namespace baton::testing_support
