#include "baton/api/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_tokenizer.h"

namespace baton::api {
namespace {

using test::Bytes;
using test::kEndToken;
using test::kHelloToken;
using test::kStartToken;
using test::kTinyVocabulary;
using test::kWideToken;
using test::MakeTinyTokenizer;

using testing::ElementsAre;
using testing::IsEmpty;

class ChoiceTest : public testing::Test {
 protected:
  TokenOutput Token(TokenId token, FinishReason finish = FinishReason::kNone) {
    TokenOutput output;
    output.token = token;
    output.finish = finish;
    output.logprob = -1.0f;
    return output;
  }
  /// The text of each delta that `text`, byte by byte, gives.
  std::vector<std::string> Push(Choice& choice, std::string_view text) {
    std::vector<std::string> pieces;
    for (const TokenId byte : Bytes(text))
      if (!choice.finished()) pieces.push_back(choice.Push(Token(byte)).text);
    return pieces;
  }

  std::unique_ptr<text::Tokenizer> tokenizer = MakeTinyTokenizer();
  CompletionPlan plan;
};

TEST_F(ChoiceTest, NeverGivesHalfACharacter) {
  Choice choice(*tokenizer, plan);

  EXPECT_THAT(Push(choice, "a\u20ac"), ElementsAre("a", "", "", "\u20ac"));
}

TEST_F(ChoiceTest, ReplacesACharacterThatNeverBecomesWhole) {
  Choice choice(*tokenizer, plan);
  choice.Push(Token(0xE2));

  EXPECT_EQ(choice.Push(Token(0x82, FinishReason::kLength)).text, "\uFFFD");
}

TEST_F(ChoiceTest, StopsOnAStringThatSpansTokens) {
  plan.stops = {"END"};
  Choice choice(*tokenizer, plan);

  EXPECT_THAT(Push(choice, "abEND!"), ElementsAre("a", "b", "", "", ""));
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(choice.completion_tokens(), 5);
}

TEST_F(ChoiceTest, CutsATokenInWhichAStopStringBegins) {
  plan.stops = {"STOP"};
  Choice choice(*tokenizer, plan);

  const ChoiceDelta delta = choice.Push(Token(kWideToken));
  EXPECT_EQ(delta.text, "one ");
  EXPECT_EQ(delta.finish, FinishReason::kStop);
}

TEST_F(ChoiceTest, IncludesTheStopStringWhenAsked) {
  plan.stops = {"STOP"};
  plan.include_stop = true;
  Choice choice(*tokenizer, plan);

  EXPECT_EQ(choice.Push(Token(kWideToken)).text, "one STOP");
}

TEST_F(ChoiceTest, ReleasesHeldTextWhenTheOutputEndsWithoutAMatch) {
  plan.stops = {"END"};
  Choice choice(*tokenizer, plan);
  choice.Push(Token('E'));

  const ChoiceDelta delta = choice.Push(Token('N', FinishReason::kLength));
  EXPECT_EQ(delta.text, "EN");
  EXPECT_EQ(delta.finish, FinishReason::kLength);
}

TEST_F(ChoiceTest, IgnoresStopStringsUpToMinTokens) {
  plan.stops = {"b"};
  plan.sampling.min_tokens = 2;
  Choice choice(*tokenizer, plan);

  EXPECT_THAT(Push(choice, "abab"), ElementsAre("a", "b", "a", ""));
}

TEST_F(ChoiceTest, LeavesOutTheTokenThatEndsTheOutput) {
  Choice choice(*tokenizer, plan);

  const ChoiceDelta delta = choice.Push(Token('x', FinishReason::kStop));
  EXPECT_EQ(delta.text, "");
  EXPECT_THAT(delta.logprobs, IsEmpty());
  EXPECT_EQ(choice.completion_tokens(), 1);
}

TEST_F(ChoiceTest, SkipsSpecialTokensUnlessAskedToShowThem) {
  Choice skipping(*tokenizer, plan);
  plan.skip_special = false;
  Choice showing(*tokenizer, plan);

  EXPECT_EQ(skipping.Push(Token(kStartToken)).text, "");
  EXPECT_EQ(showing.Push(Token(kStartToken)).text, "<|start|>");
}

TEST_F(ChoiceTest, KnowsTheMeanLogprobThatItDoesNotShow) {
  plan.sampling.logprobs = 0;
  Choice choice(*tokenizer, plan);
  TokenOutput token = Token('a');
  token.logprob = -1.0f;
  EXPECT_THAT(choice.Push(token).logprobs, IsEmpty());
  token.logprob = -2.0f;
  choice.Push(token);
  EXPECT_EQ(choice.mean_logprob(), -1.5);
}

TEST_F(ChoiceTest, KeepsTheRecordsOfHeldTextUntilItIsReleased) {
  plan.stops = {"END"};
  plan.show_logprobs = true;
  plan.return_token_ids = true;
  Choice choice(*tokenizer, plan);
  EXPECT_THAT(choice.Push(Token('E')).logprobs, IsEmpty());

  const ChoiceDelta delta = choice.Push(Token('x'));
  ASSERT_EQ(delta.logprobs.size(), 2u);
  EXPECT_EQ(delta.logprobs[1].text_offset, 1);
  EXPECT_THAT(delta.token_ids, ElementsAre('E', 'x'));
}

TEST_F(ChoiceTest, DropsTheRecordsOfTextThatAStopStringCutOff) {
  plan.stops = {"END"};
  plan.show_logprobs = true;
  Choice choice(*tokenizer, plan);
  choice.Push(Token('a'));
  choice.Push(Token('E'));
  choice.Push(Token('N'));

  const ChoiceDelta delta = choice.Push(Token('D'));
  EXPECT_EQ(delta.finish, FinishReason::kStop);
  EXPECT_THAT(delta.logprobs, IsEmpty());
}

}  // namespace
}  // namespace baton::api
