#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_output.h"

namespace baton::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const OutputReading kMistral{.tools = ToolFormat::kMistral};

TEST(MistralCalls, ReadsAListOfCalls) {
  const ChoiceDelta output =
      ReadOutput(kMistral, R"([TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "abc"}, )"
                           R"({"name": "g", "arguments": {}}])");

  EXPECT_THAT(Calls(output), ElementsAre(R"(f({"a": 1}))", "g({})"));
  EXPECT_EQ(output.text, "");
}

TEST(MistralCalls, ReadsNamesBeforeArguments) {
  const ChoiceDelta output = ReadOutput(
      kMistral,
      R"(Hm. [TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]x1y2[ARGS] {}[TOOL_CALLS]h{"b":2})");

  EXPECT_EQ(output.text, "Hm.");
  EXPECT_THAT(Calls(output), ElementsAre(R"(f({"a": 1}))", "g({})", R"(h({"b":2}))"));
}

TEST(MistralCalls, HaveIdsOfNineLettersOrDigits) {
  const ChoiceDelta output = ReadOutput(kMistral, R"([TOOL_CALLS]f[ARGS]{})");

  EXPECT_THAT(output.tool_calls.at(0).id, testing::MatchesRegex("[a-z0-9]{9}"));
}

TEST(MistralCalls, LeavesWhatIsNoCallInTheText) {
  for (const std::string text : {
           R"([TOOL_CALLS])",
           R"([TOOL_CALLS] [])",
           R"([TOOL_CALLS][{"nam)",
           R"([TOOL_CALLS]f[ARG])",
           R"([TOOL_CALLS]f[CALL_ID]x y)",
           R"([TOOL_CALLS]I will call.)",
           R"([TOOL_CALLS]f[ARGS]5)",
           R"([TOOL_CALLS]"f")",
           R"([TOOL_CALL])",
       }) {
    const ChoiceDelta output = ReadOutput(kMistral, text);
    EXPECT_THAT(output.tool_calls, IsEmpty()) << text;
    EXPECT_EQ(output.text, text);
  }
}

TEST(MistralCalls, KeepsTheCallsBeforeOneThatCannotBeRead) {
  const ChoiceDelta output =
      ReadOutput(kMistral, R"([TOOL_CALLS][{"name":"f","arguments":{}}, {"name":1}])");

  EXPECT_THAT(Calls(output), ElementsAre("f({})"));
  EXPECT_EQ(output.text, R"(, {"name":1}])");
}

}  // namespace
}  // namespace baton::api
