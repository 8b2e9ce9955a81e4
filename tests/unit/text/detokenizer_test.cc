#include "baton/text/detokenizer.h"

#include <gtest/gtest.h>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

std::vector<TokenId> ByteTokens(const std::string& bytes) {
  std::vector<TokenId> tokens;
  for (char c : bytes) {
    for (TokenId id = 0; id < SmallTokenizer().vocabulary_size(); ++id) {
      if (SmallTokenizer().TokenBytes(id) == std::string(1, c)) tokens.push_back(id);
    }
  }
  return tokens;
}

TEST(Detokenizer, HoldsBackACharacterUntilItIsWhole) {
  const std::vector<TokenId> tokens = ByteTokens("\U0001F600");
  ASSERT_EQ(tokens.size(), 4u);
  Detokenizer detokenizer(SmallTokenizer());
  EXPECT_EQ(detokenizer.Push(tokens[0]), "");
  EXPECT_EQ(detokenizer.Push(tokens[1]), "");
  EXPECT_EQ(detokenizer.Push(tokens[2]), "");
  EXPECT_EQ(detokenizer.Push(tokens[3]), "\U0001F600");
  EXPECT_EQ(detokenizer.Finish(), "");
}

TEST(Detokenizer, ReplacesACharacterThatBreaksOff) {
  const std::vector<TokenId> tokens = ByteTokens("\xE2\x82x");
  Detokenizer detokenizer(SmallTokenizer());
  EXPECT_EQ(detokenizer.Push(tokens[0]), "");
  EXPECT_EQ(detokenizer.Push(tokens[1]), "");
  EXPECT_EQ(detokenizer.Push(tokens[2]), "\uFFFDx");
}

TEST(Detokenizer, FlushesAnIncompleteCharacterAtTheEnd) {
  Detokenizer detokenizer(SmallTokenizer());
  EXPECT_EQ(detokenizer.Push(ByteTokens("\xE2")[0]), "");
  EXPECT_EQ(detokenizer.Finish(), "\uFFFD");
}

TEST(Detokenizer, SkipsSpecialTokensOnlyWhenAsked) {
  const TokenId special = *SmallTokenizer().Find("<|im_start|>");
  Detokenizer skipping(SmallTokenizer());
  Detokenizer keeping(SmallTokenizer(), false);
  EXPECT_EQ(skipping.Push(special), "");
  EXPECT_EQ(keeping.Push(special), "<|im_start|>");
}

TEST(Detokenizer, GivesNothingForIdsOutsideTheVocabulary) {
  Detokenizer detokenizer(SmallTokenizer());
  EXPECT_EQ(detokenizer.Push(-1), "");
  EXPECT_EQ(detokenizer.Push(SmallTokenizer().vocabulary_size()), "");
}

TEST(Detokenizer, JoinsToWhatDecodeGivesForRandomTokens) {
  Random random(4);
  for (int round = 0; round < 2000; ++round) {
    std::vector<TokenId> tokens(random.Below(20));
    std::string bytes;
    for (TokenId& token : tokens) {
      token = static_cast<TokenId>(random.Below(260));
      if (!SmallTokenizer().IsSpecial(token)) bytes += SmallTokenizer().TokenBytes(token);
    }
    Detokenizer detokenizer(SmallTokenizer());
    std::string joined;
    for (TokenId token : tokens) {
      const std::string piece = detokenizer.Push(token);
      ASSERT_TRUE(IsValidUtf8(piece));
      joined += piece;
    }
    joined += detokenizer.Finish();
    ASSERT_EQ(joined, ToValidUtf8(bytes));
    ASSERT_EQ(joined, SmallTokenizer().Decode(tokens));
  }
}

}  // namespace
}  // namespace baton::text
