#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

/// Tokens of up to six letters, all letters among them, and an end.
std::shared_ptr<const Vocabulary> RandomVocabulary(Random& random) {
  std::vector<std::string> bytes = {"a", "b", "c", "", "ab", "cab"};
  for (int i = 0; i < 120; ++i) {
    std::string token;
    for (size_t length = 1 + random.Below(6); length > 0; --length) {
      token += static_cast<char>('a' + random.Below(3));
    }
    bytes.push_back(token);
  }
  return std::make_shared<const Vocabulary>(std::move(bytes), std::vector<TokenId>{3});
}

TEST(Mask, AllowsExactlyTheTokensThatTheGrammarTakes) {
  Random random(3);
  int states = 0, ends = 0, dead_ends = 0;
  for (int round = 0; round < 150; ++round) {
    const std::string text = RandomGrammar(random).Text();
    const auto grammar = Grammar::Compile(text);
    if (!grammar.ok()) continue;
    const auto vocabulary = RandomVocabulary(random);
    Matcher matcher(*grammar, vocabulary);
    for (int step = 0; step < 12; ++step, ++states) {
      const std::vector<TokenId> allowed = Allowed(matcher, *vocabulary);
      ASSERT_EQ(allowed, AllowedByTrying(matcher, *vocabulary)) << text << "step " << step;
      // Whatever was taken can be completed, but for grammars that are ambiguous beyond the limit.
      if (allowed.empty()) {
        ++dead_ends;
        break;
      }
      const TokenId token = allowed[random.Below(allowed.size())];
      ASSERT_TRUE(matcher.Accept(token));
      if (vocabulary->IsEnd(token)) {
        ++ends;
        break;
      }
    }
  }
  EXPECT_GT(states, 500);
  EXPECT_GT(ends, 25);
  EXPECT_LT(dead_ends, 5);
}

TEST(Mask, DependsOnTheTokensOnly) {
  Random random(4);
  for (int round = 0; round < 50; ++round) {
    const auto grammar = Grammar::Compile(RandomGrammar(random).Text());
    if (!grammar.ok()) continue;
    const auto vocabulary = RandomVocabulary(random);
    Matcher matcher(*grammar, vocabulary);
    std::vector<TokenId> taken;
    for (int step = 0; step < 10; ++step) {
      const auto allowed = Allowed(matcher, *vocabulary);
      if (allowed.empty()) break;
      taken.push_back(allowed[random.Below(allowed.size())]);
      ASSERT_TRUE(matcher.Accept(taken.back()));
    }
    // Elsewhere, where nothing was learnt before.
    Matcher replayed(*Grammar::Compile((*grammar)->text()), vocabulary);
    for (const TokenId token : taken) ASSERT_TRUE(replayed.Accept(token));
    EXPECT_EQ(Allowed(replayed, *vocabulary), Allowed(matcher, *vocabulary));
  }
}

TEST(Mask, AllowsTheEndExactlyWhereTheTextMayEnd) {
  Matcher matcher = ByteMatcher("root ::= \"a\" \"b\"?");
  EXPECT_EQ(Allowed(matcher, *Bytes()), std::vector<TokenId>{'a'});
  ASSERT_TRUE(matcher.Accept('a'));
  EXPECT_EQ(Allowed(matcher, *Bytes()), (std::vector<TokenId>{'b', 256}));
  EXPECT_FALSE(matcher.IsComplete());
  ASSERT_TRUE(matcher.Accept('b'));
  EXPECT_EQ(Allowed(matcher, *Bytes()), std::vector<TokenId>{256});
  EXPECT_TRUE(matcher.IsComplete());
}

TEST(Mask, AllowsNothingButTheEndAfterTheEnd) {
  Matcher matcher = ByteMatcher("root ::= \"a\"*");
  ASSERT_TRUE(matcher.Accept(256));
  EXPECT_EQ(Allowed(matcher, *Bytes()), std::vector<TokenId>{256});
  EXPECT_FALSE(matcher.Accept('a'));
  EXPECT_TRUE(matcher.IsComplete());
}

TEST(Mask, ClearsWordsBeyondTheVocabulary) {
  const Matcher matcher = ByteMatcher("root ::= .*");
  std::vector<uint32_t> words(Bytes()->mask_words() + 3, ~0u);
  matcher.FillMask(words);
  EXPECT_EQ(words.back(), 0u);
  EXPECT_EQ(words[Bytes()->mask_words() - 1], 1u);
}

TEST(Mask, IsLeftAloneByATokenThatIsNotAllowed) {
  Matcher matcher = ByteMatcher("root ::= \"ab\" | \"ac\"");
  EXPECT_FALSE(matcher.Accept('b'));
  EXPECT_FALSE(matcher.Accept(256));
  EXPECT_FALSE(matcher.Accept(-1));
  EXPECT_FALSE(matcher.Accept(1000));
  EXPECT_FALSE(matcher.AcceptBytes("ad"));
  EXPECT_TRUE(matcher.AcceptBytes("ac"));
}

TEST(Mask, KnowsBytesThatMustCome) {
  Matcher matcher = ByteMatcher("root ::= \"name: \" (\"x1\" | \"y1\") \"!\"");
  EXPECT_EQ(matcher.ForcedBytes(100), "name: ");
  EXPECT_EQ(matcher.ForcedBytes(3), "nam");
  ASSERT_TRUE(matcher.AcceptBytes("name: x"));
  EXPECT_EQ(matcher.ForcedBytes(100), "1!");
}

/// Each nesting has two ways on, so that the stacks double with every letter.
TEST(Mask, StaysBoundedWhereStacksMultiply) {
  Matcher matcher = ByteMatcher(
      "root ::= \"a\" x \"b\" | \"a\" y \"c\" | \"d\"\n"
      "x ::= \"\" root\ny ::= root");
  int taken = 0;
  while (taken < 40 && matcher.AcceptBytes("a")) ++taken;
  EXPECT_GE(taken, 8);
  EXPECT_LE(Allowed(matcher, *Bytes()).size(), 2u);
}

}  // namespace
}  // namespace baton::grammar
