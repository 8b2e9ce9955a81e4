#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_output.h"

namespace baton::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const OutputReading kLlama3{.tools = ToolFormat::kLlama3, .tool_names = {"f", "g"}};

TEST(Llama3Calls, ReadsAnOutputThatIsACall) {
  const ChoiceDelta output =
      ReadOutput(kLlama3, "\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n");

  EXPECT_THAT(Calls(output), ElementsAre(R"(f({"a": 1}))"));
  EXPECT_EQ(output.text, "");
}

TEST(Llama3Calls, ReadsSeveralBetweenSemicolons) {
  EXPECT_THAT(
      Calls(ReadOutput(kLlama3, R"({"name":"f","parameters":{}}; {"name":"g","parameters":{}})")),
      ElementsAre("f({})", "g({})"));
}

TEST(Llama3Calls, ReadsWhatThePythonTagMarksAnywhere) {
  const ChoiceDelta output = ReadOutput(
      kLlama3, R"(Well: <|python_tag|>{"type":"function","name":"unknown","parameters":{"x":2}})");

  EXPECT_EQ(output.text, "Well:");
  EXPECT_THAT(Calls(output), ElementsAre(R"(unknown({"x":2}))"));
}

TEST(Llama3Calls, LeavesOtherObjectsInTheText) {
  for (const std::string text : {
           R"({"answer": 42})",
           R"({"name": "Ann", "parameters": {"age": 3}})",
           R"({"name": "f", "age": 3})",
           R"( {"name": "f"; "parameters": {}})",
           R"({"name": "f", "parame)",
           R"(Here: {"name": "f", "parameters": {}})",
           R"({)",
           R"(  )",
       }) {
    const ChoiceDelta output = ReadOutput(kLlama3, text);
    EXPECT_THAT(output.tool_calls, IsEmpty()) << text;
    EXPECT_EQ(output.text, text);
  }
}

TEST(Llama3Calls, PassesAnObjectOnThatCannotBeACallAsSoonAsThatShows) {
  OutputReader reader(kLlama3);
  ChoiceDelta delta;
  reader.Push(R"({"answer": "long)", delta);

  EXPECT_EQ(delta.text, R"({"answer": "long)");
  EXPECT_EQ(reader.broken_calls(), 0);
}

TEST(Llama3Calls, LeavesCodeBehindThePythonTagInTheText) {
  OutputReader reader(kLlama3);
  ChoiceDelta output;
  reader.Push("<|python_tag|>print(1)", output);
  reader.Finish(output);

  EXPECT_EQ(output.text, "<|python_tag|>print(1)");
  EXPECT_EQ(reader.broken_calls(), 1);
}

}  // namespace
}  // namespace baton::api
