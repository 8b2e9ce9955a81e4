#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_output.h"

namespace baton::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const OutputReading kHermes{.tools = ToolFormat::kHermes};

TEST(HermesCalls, ReadsACallWithItsArgumentsAsTheyAreWritten) {
  const ChoiceDelta output = ReadOutput(
      kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":  [1, \"}\"]}}\n</tool_call>");

  EXPECT_THAT(Calls(output), ElementsAre("f({\"a\":  [1, \"}\"]})"));
  EXPECT_EQ(output.text, "");
}

TEST(HermesCalls, ReadsSeveralCallsBehindText) {
  const ChoiceDelta output = ReadOutput(kHermes,
                                        "Let me look.\n"
                                        R"(<tool_call>{"name":"f","arguments":{}}</tool_call>)"
                                        "\n"
                                        R"(<tool_call>{"name":"g","arguments":{"x":1}}</tool_call>)"
                                        "\n");

  EXPECT_EQ(output.text, "Let me look.");
  EXPECT_THAT(Calls(output), ElementsAre("f({})", R"(g({"x":1}))"));
}

TEST(HermesCalls, KeepsTextBehindACall) {
  const ChoiceDelta output =
      ReadOutput(kHermes, R"(<tool_call>{"name":"f","arguments":{}}</tool_call> Done < well.)");

  EXPECT_EQ(output.text, "Done < well.");
  EXPECT_THAT(Calls(output), ElementsAre("f({})"));
}

TEST(HermesCalls, TakesMembersInAnyOrder) {
  EXPECT_THAT(
      Calls(ReadOutput(kHermes, R"(<tool_call>{"id":[1,{"a":"]"}],"arguments":{"x":1},"name":"f"})"
                                R"(</tool_call>)")),
      ElementsAre(R"(f({"x":1}))"));
}

TEST(HermesCalls, TakesArgumentsOfEveryKind) {
  const auto arguments = [](const std::string& json) {
    return Calls(ReadOutput(kHermes, R"(<tool_call>{"name":"f","arguments":)" + json + "}"));
  };
  EXPECT_THAT(arguments("null"), ElementsAre("f({})"));
  EXPECT_THAT(arguments("12 "), ElementsAre("f(12)"));
  EXPECT_THAT(arguments("[]"), ElementsAre("f([])"));
  EXPECT_THAT(arguments(R"("{\"a\": \"\u00e9\ud83d\ude00\\n\"}")"),
              ElementsAre("f({\"a\": \"\u00e9\U0001F600\\n\"})"));
  EXPECT_THAT(Calls(ReadOutput(kHermes, R"(<tool_call>{"name":"f"})")), ElementsAre("f({})"));
}

TEST(HermesCalls, ReadsACallThatIsNotClosed) {
  const ChoiceDelta output = ReadOutput(
      kHermes,
      R"(<tool_call>{"name":"f","arguments":{}} <tool_call>{"name":"g","arguments":{}}</tool)");

  EXPECT_THAT(Calls(output), ElementsAre("f({})", "g({})"));
  EXPECT_EQ(output.text, "");
}

TEST(HermesCalls, KeepsWhatArrivedOfACallThatBreaksOff) {
  OutputReader reader(kHermes);
  ChoiceDelta output;
  reader.Push(R"(<tool_call>{"name":"f","arguments":{"a": "b)", output);
  reader.Finish(output);

  EXPECT_THAT(Calls(output), ElementsAre("f({\"a\": \"b)"));
  EXPECT_EQ(reader.broken_calls(), 1);
}

TEST(HermesCalls, LeavesWhatIsNoCallInTheText) {
  for (const std::string text : {
           R"(<tool_call>)",
           R"(<tool_call>{"name": "f")",
           R"(<tool_call>{"name": "f", "arg)",
           R"(<tool_call>{"name": 5, "arguments": {}}</tool_call>)",
           R"(<tool_call>{"name": "", "arguments": {}}</tool_call>)",
           R"(<tool_call>{"arguments": {}}</tool_call>)",
           R"(<tool_call>f(1)</tool_call>)",
           R"(<tool_call>["f"]</tool_call>)",
           R"(<tool_call>{}</tool_call>)",
           R"(<tool_call>{"name" "f"}</tool_call>)",
           R"(one <tool_cal two)",
           R"(  <tool_call >  )",
       }) {
    const ChoiceDelta output = ReadOutput(kHermes, text);
    EXPECT_THAT(output.tool_calls, IsEmpty()) << text;
    EXPECT_EQ(output.text, text);
  }
}

TEST(HermesCalls, FindsACallRightBehindWhatIsNone) {
  const ChoiceDelta output = ReadOutput(
      kHermes, R"(<tool_call>oh <tool_call><tool_call>{"name":"f","arguments":{}}</tool_call>)");

  EXPECT_EQ(output.text, "<tool_call>oh <tool_call>");
  EXPECT_THAT(Calls(output), ElementsAre("f({})"));
}

TEST(HermesCalls, StopAtTheFirstWhereOnlyOneIsWanted) {
  OutputReading reading = kHermes;
  reading.one_call = true;
  OutputReader reader(reading);
  ChoiceDelta output;
  reader.Push(R"(<tool_call>{"name":"f","arguments":{}})", output);

  EXPECT_TRUE(reader.done());
  reader.Push(R"(</tool_call><tool_call>{"name":"g","arguments":{}})", output);
  EXPECT_THAT(Calls(output), ElementsAre("f({})"));
}

TEST(HermesCalls, HaveIdsThatFollowFromTheSeed) {
  const auto ids = [](uint64_t seed) {
    OutputReader reader(kHermes);
    reader.SeedCallIds(seed);
    ChoiceDelta output;
    for (int i = 0; i < 2; ++i) reader.Push(R"(<tool_call>{"name":"f"}</tool_call>)", output);
    return std::vector{output.tool_calls[0].id, output.tool_calls[1].id};
  };
  EXPECT_THAT(ids(1), testing::Each(testing::MatchesRegex("call_[a-z0-9]{24}")));
  EXPECT_EQ(ids(1), ids(1));
  EXPECT_NE(ids(1)[0], ids(1)[1]);
  EXPECT_NE(ids(1)[0], ids(2)[0]);
}

TEST(HermesCalls, StreamTheNameOnceAndArgumentsAsTheyCome) {
  OutputReader reader(kHermes);
  std::vector<ToolCallDelta> deltas;
  for (const std::string& piece :
       Characters(R"(<tool_call>{"name":"f","arguments":{"a":"é"}}</tool_call>)")) {
    ChoiceDelta delta;
    reader.Push(piece, delta);
    deltas.insert(deltas.end(), delta.tool_calls.begin(), delta.tool_calls.end());
  }
  ASSERT_EQ(deltas.size(), 9u);
  EXPECT_EQ(deltas[0].name, "f");
  EXPECT_EQ(deltas[0].arguments, "{");
  EXPECT_TRUE(deltas[1].id.empty() && deltas[1].name.empty());
  EXPECT_EQ(deltas[6].arguments, "é");
}

}  // namespace
}  // namespace baton::api
