#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_output.h"

namespace baton::api {
namespace {

using testing::ElementsAre;

const OutputReading kThink{.reasoning = ReasoningFormat::kThink};

OutputReading Opened() {
  OutputReading reading = kThink;
  reading.begins_in_reasoning = true;
  return reading;
}

TEST(Reasoning, IsPartedFromTheAnswerWithoutLineBreaksBetween) {
  const ChoiceDelta output = ReadOutput(kThink, "\n<think>\n\nWell.\n\nSo.\n</think>\n\nYes.\n");

  EXPECT_EQ(output.reasoning, "Well.\n\nSo.");
  EXPECT_EQ(output.text, "Yes.\n");
}

TEST(Reasoning, BeginsAtOnceWhereThePromptOpensIt) {
  const ChoiceDelta output = ReadOutput(Opened(), "Well.</think>Yes.");

  EXPECT_EQ(output.reasoning, "Well.");
  EXPECT_EQ(output.text, "Yes.");
}

TEST(Reasoning, MayBeOpenedAgainWhereThePromptOpensIt) {
  EXPECT_EQ(ReadOutput(Opened(), "<think>\nWell.</think>Yes.").reasoning, "Well.");
}

TEST(Reasoning, IsAllThereIsWhenItDoesNotEnd) {
  const ChoiceDelta output = ReadOutput(kThink, "<think>Well. </thi");

  EXPECT_EQ(output.reasoning, "Well. </thi");
  EXPECT_EQ(output.text, "");
}

TEST(Reasoning, IsNoneWhereTheOutputDoesNotBeginWithIt) {
  for (const std::string text : {"Yes. <think>no</think>", "<thin", "  \n", "", "<thinking>"}) {
    const ChoiceDelta output = ReadOutput(kThink, text);
    EXPECT_EQ(output.text, text);
    EXPECT_EQ(output.reasoning, "");
  }
}

TEST(Reasoning, IsLeftOutWhenAsked) {
  OutputReading reading = kThink;
  reading.include_reasoning = false;
  const ChoiceDelta output = ReadOutput(reading, "<think>Well.</think>Yes.");

  EXPECT_EQ(output.reasoning, "");
  EXPECT_EQ(output.text, "Yes.");
}

TEST(Reasoning, MayMentionCallsAndBeFollowedByThem) {
  OutputReading reading = kThink;
  reading.tools = ToolFormat::kHermes;
  const ChoiceDelta output = ReadOutput(reading, R"(<think><tool_call>{"name":"g"}</think>

<tool_call>{"name":"f","arguments":{}}</tool_call>)");

  EXPECT_EQ(output.reasoning, R"(<tool_call>{"name":"g"})");
  EXPECT_EQ(output.text, "");
  EXPECT_THAT(Calls(output), ElementsAre("f({})"));
}

}  // namespace
}  // namespace baton::api
