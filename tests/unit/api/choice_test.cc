#include "baton/api/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_tokenizer.h"

namespace baton::api {
namespace {

using test::Bytes;
using test::kEndToken;
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

TEST_F(ChoiceTest, ReadsCallsThatASpecialTokenMarksThoughSpecialTokensAreSkipped) {
  tokenizer = MakeTinyTokenizer({"[TOOL_CALLS]"});
  plan.reading.tools = ToolFormat::kMistral;
  Choice choice(*tokenizer, plan);
  choice.Push(Token(kStartToken));
  choice.Push(Token(kTinyVocabulary));

  ChoiceDelta output;
  for (const TokenId byte : Bytes(R"([{"name":"f","arguments":{}}])"))
    output.Append(choice.Push(Token(byte)));
  output.Append(choice.Push(Token(kEndToken, FinishReason::kStop)));

  ASSERT_EQ(output.tool_calls.size(), 1u);
  EXPECT_EQ(output.tool_calls[0].name, "f");
  EXPECT_EQ(output.text, "");
  EXPECT_EQ(output.finish, FinishReason::kStop);
  EXPECT_TRUE(output.stopped_to_call);
}

TEST_F(ChoiceTest, EndsAtTheOnlyCallThatIsWanted) {
  plan.reading = {.tools = ToolFormat::kHermes, .one_call = true};
  Choice choice(*tokenizer, plan);

  const std::vector<std::string> pieces =
      Push(choice, R"(<tool_call>{"name":"f"}</tool_call> and more)");
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(pieces.size(), 23u);
}

TEST_F(ChoiceTest, SaysThatACutOffOutputIsTooLongWhateverItCalled) {
  plan.reading.tools = ToolFormat::kHermes;
  Choice choice(*tokenizer, plan);
  Push(choice, R"(<tool_call>{"name":"f","arguments":{"a)");

  const ChoiceDelta delta = choice.Push(Token('b', FinishReason::kLength));
  EXPECT_EQ(delta.tool_calls.at(0).arguments, "b");
  EXPECT_EQ(delta.finish, FinishReason::kLength);
  EXPECT_FALSE(delta.stopped_to_call);
  EXPECT_EQ(choice.broken_calls(), 1);
}

TEST_F(ChoiceTest, StopsOnAStringWithinACall) {
  plan.reading.tools = ToolFormat::kHermes;
  plan.stops = {"zz"};
  Choice choice(*tokenizer, plan);
  ChoiceDelta output;
  for (const TokenId byte : Bytes(R"(<tool_call>{"name":"f","arguments":{"a":"zz"}})"))
    if (!choice.finished()) output.Append(choice.Push(Token(byte)));

  EXPECT_EQ(output.tool_calls.at(0).arguments, R"({"a":")");
  EXPECT_EQ(output.finish, FinishReason::kStop);
}

TEST_F(ChoiceTest, CountsTheTokensOfReasoning) {
  plan.reading.reasoning = ReasoningFormat::kThink;
  plan.reading.begins_in_reasoning = true;
  Choice choice(*tokenizer, plan);
  Push(choice, "ab</think>cd");

  EXPECT_EQ(choice.reasoning_tokens(), 10);
  EXPECT_EQ(choice.completion_tokens(), 12);
}

TEST_F(ChoiceTest, KeepsTheRecordsOfTokensThatTheReaderHoldsBack) {
  plan.show_logprobs = true;
  plan.reading.tools = ToolFormat::kHermes;
  Choice choice(*tokenizer, plan);
  size_t records = 0;
  for (const TokenId byte : Bytes(R"(a <tool_call>{"name":"f","arguments":{}}</tool_call> b)"))
    records += choice.Push(Token(byte)).logprobs.size();
  records += choice.Push(Token('c', FinishReason::kLength)).logprobs.size();

  EXPECT_EQ(records, static_cast<size_t>(choice.completion_tokens()));
}

}  // namespace
}  // namespace baton::api
