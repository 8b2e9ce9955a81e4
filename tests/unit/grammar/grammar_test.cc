#include "baton/grammar/grammar.h"

#include "grammar_parts.h"
#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

std::string ErrorOf(std::string_view text, const GrammarLimits& limits = {}) {
  const auto compiled = Grammar::Compile(text, limits);
  if (compiled.ok()) return "none";
  EXPECT_EQ(compiled.status().code(), StatusCode::kInvalidArgument);
  return compiled.status().message();
}

TEST(Grammar, ReadsLiteralsClassesAndEscapes) {
  const std::string text = R"(root ::= "a\n\"" [x-z] [^a-c\]] . "\u00e9" '\x41')";
  EXPECT_TRUE(Takes(text,
                    "a\n\"yd\xF0\x9F\x98\x80\xC3\xA9"
                    "A"));
  EXPECT_FALSE(Takes(text,
                     "a\n\"y]d\xC3\xA9"
                     "A"));
}

TEST(Grammar, RepeatsAndGroups) {
  const std::string text = R"(root ::= ("ab" | "c")+ "d"? "e"{2,3} "f"{2} "g"{1,})";
  EXPECT_TRUE(Takes(text, "abcabdeeffg"));
  EXPECT_TRUE(Takes(text, "ceeeffggg"));
  EXPECT_FALSE(Takes(text, "deeffg"));
  EXPECT_FALSE(Takes(text, "ceffg"));
  EXPECT_FALSE(Takes(text, "ceeeeffg"));
}

TEST(Grammar, CountsLongRepetitions) {
  const std::string text = R"(root ::= ("a" | "b"){50,1000} "c")";
  EXPECT_FALSE(Takes(text, std::string(49, 'a') + "c"));
  EXPECT_TRUE(Takes(text, std::string(50, 'a') + "c"));
  EXPECT_TRUE(Takes(text, std::string(1000, 'b') + "c"));
  EXPECT_FALSE(ByteMatcher(text).AcceptBytes(std::string(1001, 'b')));
}

TEST(Grammar, RecursesWithoutEnd) {
  const std::string text = "root ::= \"[\" root \"]\" | \"x\"";
  const std::string deep(100'000, '[');
  EXPECT_TRUE(Takes(text, deep + "x" + std::string(100'000, ']')));
  EXPECT_FALSE(Takes(text, deep + "x" + std::string(99'999, ']')));
}

TEST(Grammar, SpreadsOverLinesWithComments) {
  EXPECT_TRUE(Takes("# all\nroot ::= a |\n  b # or\n  | \"c\"\na ::= \"a\"\nb ::= \"b\"", "c"));
}

TEST(Grammar, ReadsTheFormOfLark) {
  const std::string text =
      "start: greeting NAME\n?greeting: \"hello \"i\n  | \"hi \"\nNAME: /[A-Z][a-z]*/ // a name\n";
  EXPECT_TRUE(Takes(text, "HeLLo Ada"));
  EXPECT_FALSE(Takes(text, "hi ada"));
}

TEST(Grammar, RefusesWithThePlaceOfTheMistake) {
  EXPECT_EQ(ErrorOf("root ::= \"a\" b\n"), "grammar, line 1, column 14: there is no rule 'b'");
  EXPECT_EQ(ErrorOf("root ::= (\n \"a\""), "grammar, line 2, column 5: expected ) or |");
  EXPECT_EQ(ErrorOf("root ::= \"a"),
            "grammar, line 1, column 10: the literal does not end on its line");
  EXPECT_EQ(ErrorOf("root ::= \"a\"{3,2}"),
            "grammar, line 1, column 13: the bounds exclude each other");
  EXPECT_EQ(ErrorOf("a ::= \"a\""), "grammar: there is neither a rule 'root' nor a rule 'start'");
  EXPECT_EQ(ErrorOf("%import common.INT"),
            "grammar, line 1, column 1: directives of Lark (%...) are not supported");
  EXPECT_EQ(ErrorOf("root ::= \"\xFF\""), "the grammar is not valid UTF-8");
}

TEST(Grammar, RefusesLeftRecursionByItsRule) {
  EXPECT_THAT(ErrorOf("root ::= e\ne ::= e \"+\" \"1\" | \"1\""),
              testing::HasSubstr("the rule 'e' begins with itself"));
  EXPECT_THAT(ErrorOf("root ::= a* root \"x\" | \"y\"\na ::= \"\" | \"z\" a"),
              testing::HasSubstr("the rule 'root' begins with itself"));
}

TEST(Grammar, RefusesARootThatNeverEnds) {
  EXPECT_THAT(ErrorOf("root ::= \"a\" root"), testing::HasSubstr("matches no text"));
}

TEST(Grammar, NeverEntersWhatCannotBeCompleted) {
  Matcher matcher = ByteMatcher("root ::= \"a\" dead | \"b\"\ndead ::= \"c\" dead");
  EXPECT_EQ(Allowed(matcher, *Bytes()), std::vector<TokenId>{'b'});
}

TEST(Grammar, NamesTheLimitExceeded) {
  EXPECT_EQ(ErrorOf("root ::= \"abc\"", {.text_bytes = 5}),
            "the grammar has 14 bytes, more than the limit of 5");
  EXPECT_THAT(ErrorOf("root ::= a\na ::= \"x\"", {.rules = 1}),
              testing::HasSubstr("more than 1 rules"));
  EXPECT_THAT(ErrorOf("root ::= ((\"a\"))", {.nesting = 1}),
              testing::HasSubstr("groups nest more than 1 deep"));
  EXPECT_THAT(ErrorOf("root ::= \"a\"{11}", {.repetitions = 10}),
              testing::HasSubstr("greater than the limit of 10"));
  EXPECT_THAT(ErrorOf("root ::= \"abcdef\"", {.states = 5}),
              testing::HasSubstr("more than 5 states"));
  EXPECT_THAT(ErrorOf("root ::= \"abcdef\"", {.transitions = 5}),
              testing::HasSubstr("more than 5 transitions"));
}

bool HasTooManyStacks(const Grammar& grammar, std::string_view text) {
  Configurations places(grammar.parts().automaton);
  int32_t at = places.Start();
  for (const char byte : text) {
    at = places.Next(at, static_cast<uint8_t>(byte));
    if (at == Configurations::kOverflow) return true;
  }
  return false;
}

/// What is written is read again as the same language.
TEST(Grammar, PrintsWhatItReads) {
  const std::string text =
      R"(root ::= ("a\"" | [^\]b-] [\u00e9-\u00ff] | .)* "x"{2,3} ("y" "z")? [])";
  const auto rules = ParseEbnf(text + " | \"q\"", {});
  ASSERT_TRUE(rules.ok()) << rules.status();
  const std::string printed = Print(*rules);
  const auto again = ParseEbnf(printed, {});
  ASSERT_TRUE(again.ok()) << again.status() << printed;
  EXPECT_EQ(Print(*again), printed);
}

TEST(Grammar, AgreesWithAPlainRecogniser) {
  Random random(1);
  int compiled = 0, taken = 0;
  for (int round = 0; round < 150; ++round) {
    const std::string text = RandomGrammar(random).Text();
    const auto grammar = Grammar::Compile(text);
    // A counted repetition of what may be empty is refused.
    if (!grammar.ok()) continue;
    ++compiled;
    const PlainRecogniser plain(text);
    for (int attempt = 0; attempt < 60; ++attempt) {
      std::string word;
      for (size_t i = random.Below(9); i > 0; --i) word += static_cast<char>('a' + random.Below(3));
      Matcher matcher(*grammar, Bytes());
      const bool takes = matcher.AcceptBytes(word) && matcher.MayEnd();
      if (!takes && HasTooManyStacks(**grammar, word)) continue;
      ASSERT_EQ(takes, plain.Takes(word)) << text << word;
      taken += takes ? 1 : 0;
    }
  }
  EXPECT_GT(compiled, 100);
  EXPECT_GT(taken, 500);
}

}  // namespace
}  // namespace baton::grammar
