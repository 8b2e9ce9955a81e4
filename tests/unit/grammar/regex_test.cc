#include <regex>

#include "regex_parser.h"
#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

std::string GrammarOf(std::string_view pattern) {
  const auto regex = ParseRegex(pattern, {});
  BATON_CHECK(regex.ok()) << regex.status();
  return "root ::= " + Print(AsWholeMatch(*regex));
}

std::string ErrorOf(std::string_view pattern) {
  const auto regex = ParseRegex(pattern, {});
  return regex.ok() ? "none" : regex.status().message();
}

TEST(Regex, MatchesAsTheStandardLibraryDoes) {
  const char* const kPatterns[] = {"a*b|c+",         "(ab|a)(c|bcd)?",  "[a-c]{2,4}",  "[^ab]+c?",
                                   "(a|b)*abb",      "(?:a|bc){1,3}d?", "a.c|\\.|\\w", "^(a|ab)$",
                                   "(a+|b){0,5}c*?", "[\\da]b|\\D{2}"};
  Random random(2);
  int matched = 0;
  for (const char* pattern : kPatterns) {
    const std::string grammar = GrammarOf(pattern);
    const std::regex expected(pattern);
    for (int attempt = 0; attempt < 300; ++attempt) {
      std::string word;
      for (size_t i = random.Below(6); i > 0; --i) word += "abcd1."[random.Below(6)];
      const bool matches = std::regex_match(word, expected);
      ASSERT_EQ(Takes(grammar, word), matches) << pattern << " " << word;
      matched += matches ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 200);
}

TEST(Regex, ReadsClassesAsEcmaDoes) {
  EXPECT_TRUE(Takes(GrammarOf("\\s\\S"), "\xE2\x80\xA8x"));
  EXPECT_FALSE(Takes(GrammarOf("."), "\n"));
  EXPECT_TRUE(Takes(GrammarOf("\\u{1F600}\\x41\\u00e9"),
                    "\xF0\x9F\x98\x80"
                    "A\xC3\xA9"));
  EXPECT_TRUE(Takes(GrammarOf("[\\w.-]+"), "a.b-c"));
}

TEST(Regex, RefusesWhatIsNotRegularOrNotSupported) {
  EXPECT_EQ(ErrorOf("a(?=b)"),
            "pattern, line 1, column 3: looking ahead or behind is not supported");
  EXPECT_EQ(ErrorOf("(a)\\1"), "pattern, line 1, column 5: back-references are not supported");
  EXPECT_EQ(ErrorOf("\\bword"), "pattern, line 1, column 2: word boundaries are not supported");
  EXPECT_EQ(ErrorOf("\\p{L}"), "pattern, line 1, column 2: Unicode properties are not supported");
  EXPECT_EQ(ErrorOf("a^b"),
            "pattern, line 1, column 2: ^ is supported at the start of an alternative only");
  EXPECT_EQ(ErrorOf("a(b|$)"),
            "pattern, line 1, column 7: anchors within a group are not supported");
  EXPECT_EQ(ErrorOf("a)"), "pattern, line 1, column 2: unmatched )");
  EXPECT_EQ(ErrorOf("*a"), "pattern, line 1, column 1: there is nothing to repeat");
  EXPECT_EQ(ErrorOf("[b-a]"), "pattern, line 1, column 5: the range is the wrong way round");
}

}  // namespace
}  // namespace baton::grammar
