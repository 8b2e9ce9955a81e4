#include "baton/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr EncodeOptions kPlain = {.add_special_tokens = false, .parse_special = false};
constexpr EncodeOptions kParsing = {.add_special_tokens = false, .parse_special = true};

TEST(Tokenizer, KnowsTheTokensThatTheConfigurationNames) {
  EXPECT_EQ(SmallTokenizer().bos(), SmallTokenizer().Find("<s>"));
  EXPECT_EQ(SmallTokenizer().eos(), SmallTokenizer().Find("</s>"));
  EXPECT_EQ(SmallTokenizer().pad(), SmallTokenizer().Find("<pad>"));
  EXPECT_FALSE(SmallTokenizer().Find("no such token"));
}

TEST(Tokenizer, AddsWhatThePostProcessorAddsOnlyWhenAsked) {
  const std::vector<TokenId> with = SmallTokenizer().Encode("x");
  EXPECT_EQ(with.front(), SmallTokenizer().bos());
  EXPECT_EQ(with.back(), SmallTokenizer().eos());
  EXPECT_EQ(SmallTokenizer().Encode("x", kParsing),
            std::vector<TokenId>(with.begin() + 1, with.end() - 1));
}

TEST(Tokenizer, ReadsSpecialTokensInTextOnlyWhenAsked) {
  const TokenId start = *SmallTokenizer().Find("<|im_start|>");
  EXPECT_THAT(SmallTokenizer().Encode("<|im_start|>", kParsing), ElementsAre(start));
  EXPECT_THAT(SmallTokenizer().Encode("a<|im_start|>", kPlain), Not(Contains(start)));
}

TEST(Tokenizer, GivesTheBytesOfEachToken) {
  EXPECT_EQ(SmallTokenizer().TokenBytes(*SmallTokenizer().Find("\u0120the")), " the");
  EXPECT_EQ(SmallTokenizer().TokenBytes(*SmallTokenizer().Find("<tool>")), "<tool>");
  EXPECT_EQ(SmallTokenizer().TokenBytes(-5), "");
}

TEST(Tokenizer, NormalizesOnlyCharactersThatTheTokenizersLibraryKnows) {
  const auto normalized = [](const std::string& text) {
    return SmallTokenizer().Decode(SmallTokenizer().Encode(text, kPlain));
  };
  EXPECT_EQ(normalized("a\u0315\u0316"), "a\u0316\u0315");
  // A mark of Unicode 14 that would go before the other by its class.
  EXPECT_EQ(normalized("a\u0315\u0C3C"), "a\u0315\u0C3C");
}

TEST(Tokenizer, ReadsBrokenUtf8AsReplacementCharacters) {
  EXPECT_EQ(SmallTokenizer().Encode("a\xFF\xE2\x82z"), SmallTokenizer().Encode("a\uFFFD\uFFFDz"));
}

TEST(Tokenizer, GivesBackAnyNormalizedText) {
  Random random(5);
  for (int round = 0; round < 1000; ++round) {
    // The vocabulary's normalizer composes, so that only its own output comes back.
    const std::string text =
        SmallTokenizer().Decode(SmallTokenizer().Encode(RandomText(random, 40), kPlain), false);
    ASSERT_EQ(SmallTokenizer().Decode(SmallTokenizer().Encode(text, kPlain), false), text);
  }
}

TEST(Tokenizer, GivesBackAnyAsciiText) {
  Random random(6);
  for (int round = 0; round < 1000; ++round) {
    std::string text = RandomBytes(random, 60);
    for (char& c : text) c = static_cast<char>(c & 0x7F);
    ASSERT_EQ(SmallTokenizer().Decode(SmallTokenizer().Encode(text, kPlain), false), text);
  }
}

TEST(Tokenizer, EncodesAMegabyteWithoutASpaceInLinearSteps) {
  // A quadratic merge takes minutes here, and the test's time limit ends it.
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(SmallTokenizer().Decode(SmallTokenizer().Encode(text, kPlain)), text);
}

TEST(Tokenizer, EncodesAMegabyteOfWhiteSpace) {
  std::string text;
  for (int i = 0; i < (1 << 18); ++i) text += " \n \t";
  EXPECT_EQ(SmallTokenizer().Decode(SmallTokenizer().Encode(text, kPlain)), text);
}

}  // namespace
}  // namespace baton::text
