#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/grammar/matcher.h"
#include "ebnf_parser.h"

namespace baton::grammar {

inline std::shared_ptr<const Grammar> Compiled(std::string_view text) {
  const auto compiled = Grammar::Compile(text);
  BATON_CHECK(compiled.ok()) << compiled.status() << "\n" << text;
  return *compiled;
}

/// Every byte as a token, id by value, and token 256 as the end.
inline std::shared_ptr<const Vocabulary> Bytes() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes.emplace_back();
  static const auto vocabulary =
      std::make_shared<const Vocabulary>(std::move(bytes), std::vector<TokenId>{256});
  return vocabulary;
}

inline Matcher ByteMatcher(std::string_view grammar) { return Matcher(Compiled(grammar), Bytes()); }

/// Whether `text` is a whole text of the grammar.
inline bool Takes(std::string_view grammar, std::string_view text) {
  Matcher matcher = ByteMatcher(grammar);
  return matcher.AcceptBytes(text) && matcher.MayEnd();
}

inline std::vector<TokenId> Allowed(const Matcher& matcher, const Vocabulary& vocabulary) {
  std::vector<uint32_t> words(vocabulary.mask_words(), ~0u);
  matcher.FillMask(words);
  std::vector<TokenId> tokens;
  for (size_t bit = 0; bit < words.size() * 32; ++bit) {
    if ((words[bit / 32] >> (bit % 32) & 1) != 0) tokens.push_back(static_cast<TokenId>(bit));
  }
  return tokens;
}

/// The same by trying every token byte for byte.
inline std::vector<TokenId> AllowedByTrying(const Matcher& matcher, const Vocabulary& vocabulary) {
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < vocabulary.size(); ++token) {
    Matcher copy = matcher;
    const bool taken = vocabulary.IsEnd(token) ? matcher.MayEnd()
                                               : !vocabulary.bytes(token).empty() &&
                                                     copy.AcceptBytes(vocabulary.bytes(token));
    if (taken) tokens.push_back(token);
  }
  return tokens;
}

/// A recogniser that follows the rules as they are written, without any automaton.
class PlainRecogniser {
 public:
  explicit PlainRecogniser(std::string_view grammar) {
    const auto parsed = ParseEbnf(grammar, GrammarLimits{});
    BATON_CHECK(parsed.ok()) << parsed.status();
    rules_ = *parsed;
  }

  bool Takes(std::string_view text) const {
    return EndsOf(*rules_.by_name.at(rules_.root), text, 0).contains(text.size());
  }

 private:
  using Ends = std::set<size_t>;

  Ends EndsOf(const Expr& expr, std::string_view text, size_t begin) const {
    Ends ends;
    switch (expr.kind) {
      case Expr::Kind::kLiteral:
        if (text.substr(begin).starts_with(expr.text)) ends.insert(begin + expr.text.size());
        break;
      case Expr::Kind::kClass:
        if (begin < text.size() && expr.chars.Contains(static_cast<unsigned char>(text[begin]))) {
          ends.insert(begin + 1);
        }
        break;
      case Expr::Kind::kReference: return EndsOf(*rules_.by_name.at(expr.text), text, begin);
      case Expr::Kind::kSequence:
        ends.insert(begin);
        for (const ExprPtr& part : expr.parts) ends = After(ends, *part, text);
        break;
      case Expr::Kind::kChoice:
        for (const ExprPtr& part : expr.parts) ends.merge(EndsOf(*part, text, begin));
        break;
      case Expr::Kind::kRepeat: return EndsOfRepeat(expr, text, begin);
    }
    return ends;
  }

  Ends After(const Ends& begins, const Expr& expr, std::string_view text) const {
    Ends ends;
    for (const size_t begin : begins) ends.merge(EndsOf(expr, text, begin));
    return ends;
  }

  Ends EndsOfRepeat(const Expr& expr, std::string_view text, size_t begin) const {
    Ends ends, at = {begin};
    const int most = expr.max == kUnbounded ? expr.min + static_cast<int>(text.size()) : expr.max;
    for (int run = 0; run <= most && !at.empty(); ++run) {
      if (run >= expr.min) ends.insert(at.begin(), at.end());
      at = After(at, *expr.parts[0], text);
    }
    return ends;
  }

  Rules rules_;
};

/// A grammar without left recursion over the letters a to c: calls, groups, repetitions, some of
/// them counted, and ambiguity of every kind.
class RandomGrammar {
 public:
  explicit RandomGrammar(Random& random) : random_(random) {}

  std::string Text() {
    std::string text = "root ::= " + Choice(0, 2) + "\n";
    for (int rule = 1; rule < kRules; ++rule) {
      text += "r" + std::to_string(rule) + " ::= " + Choice(rule, 2) + "\n";
    }
    return text;
  }

 private:
  static constexpr int kRules = 4;

  std::string Choice(int rule, int depth) {
    std::string text = Sequence(rule, depth);
    for (size_t more = random_.Below(3); more > 0; --more) text += " | " + Sequence(rule, depth);
    return text;
  }

  std::string Sequence(int rule, int depth) {
    std::string text = Atom(rule, depth, false);
    // After a letter any rule may be called without left recursion.
    bool taken = false;
    for (size_t more = random_.Below(3); more > 0; --more) {
      if (random_.Below(2) == 0) {
        text += " " + Letter();
        taken = true;
      }
      text += " " + Atom(rule, depth, taken);
    }
    return text;
  }

  std::string Letter() {
    static const char* const kLetters[] = {"\"a\"", "\"b\"", "\"c\"", "[ab]", "[^a]", "\"ab\""};
    return kLetters[random_.Below(std::size(kLetters))];
  }

  std::string Atom(int rule, int depth, bool any_rule) {
    static const char* const kRepetitions[] = {"",  "",    "",      "?",      "*",
                                               "+", "{2}", "{1,3}", "{0,40}", "{3,}"};
    const std::string repetition = kRepetitions[random_.Below(std::size(kRepetitions))];
    const uint64_t kind = random_.Below(depth > 0 ? 6 : 3);
    if (kind <= 2) return Letter() + repetition;
    if (kind == 3) return "(" + Choice(rule, depth - 1) + ")" + repetition;
    // Without a letter before it only a later rule is called: no rule can begin with itself.
    const int first = any_rule ? 1 : rule + 1;
    if (first >= kRules) return Letter();
    return "r" + std::to_string(first + static_cast<int>(
                                            random_.Below(static_cast<uint64_t>(kRules - first))));
  }

  Random& random_;
};

}  // namespace baton::grammar
