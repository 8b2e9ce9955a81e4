#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/output/json_string.h"
#include "baton/text/utf8.h"
#include "read_output.h"

namespace baton::api {
namespace {

using testing::SizeIs;

void ExpectSame(const ChoiceDelta& a, const ChoiceDelta& b, const std::string& text) {
  EXPECT_EQ(a.text, b.text) << text;
  EXPECT_EQ(a.reasoning, b.reasoning) << text;
  EXPECT_EQ(Calls(a), Calls(b)) << text;
}

/// Whole, character by character, and divided at every place.
void ExpectSameHoweverDivided(const OutputReading& reading, const std::string& text) {
  const ChoiceDelta whole = ReadOutput(reading, text);
  const std::vector<std::string> characters = Characters(text);
  ExpectSame(whole, ReadOutput(reading, characters), text);
  size_t at = 0;
  for (const std::string& character : characters) {
    ExpectSame(whole, ReadOutput(reading, {text.substr(0, at), text.substr(at)}), text);
    at += character.size();
  }
}

std::vector<OutputReading> Readings() {
  std::vector<OutputReading> readings;
  for (const auto format :
       {ToolFormat::kNone, ToolFormat::kHermes, ToolFormat::kLlama3, ToolFormat::kMistral}) {
    for (const bool opened : {false, true}) {
      readings.push_back({.tools = format,
                          .tool_names = {"f"},
                          .reasoning = ReasoningFormat::kThink,
                          .begins_in_reasoning = opened});
    }
    readings.push_back({.tools = format, .tool_names = {"f"}, .one_call = true});
    readings.push_back({.tools = format, .tool_names = {"f"}});
  }
  return readings;
}

/// Pieces that outputs are made of, right and wrong.
const std::vector<std::string>& Words() {
  static const std::vector<std::string> words = {
      "<think>",
      "</think>",
      "<tool_call>",
      "</tool_call>",
      "[TOOL_CALLS]",
      "[ARGS]",
      "[CALL_ID]",
      "<|python_tag|>",
      R"({"name":"f","arguments":{"a":"\u00e9\ud83d\ude00"}})",
      R"({"name": "f", "parameters": {}})",
      R"({"name":"f","arguments":)",
      R"("{\"a\":1}")",
      "{",
      "}",
      "[",
      "]",
      "\"",
      "\\",
      ":",
      ",",
      ";",
      "name",
      "f",
      " ",
      "\n",
      "é",
      "\U0001F600",
      "null",
      R"(\ud83d)",
      "</",
      "<t"};
  return words;
}

TEST(OutputReader, PartsAnOutputTheSameHoweverItIsDivided) {
  for (const OutputReading& reading : Readings()) {
    for (const std::string text :
         {"<think>\nOh é\n</think>\n\nOne. \n<tool_call>\n{\"name\": \"f\", \"arguments\": "
          "{\"a\": \"\\u00e9é😀\", \"b\": [[{}]]}}\n</tool_call>\n<tool_call>{\"name\": "
          "\"g\"}</tool_call> two",
          "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"é\": null}}, {\"name\": \"g\", "
          "\"arguments\": \"{\\\"a\\\": 1}\"}] [TOOL_CALLS]h[CALL_ID]1[ARGS]{\"x\": 2}",
          " {\"name\": \"f\", \"parameters\": {\"é\": \"}\"}}; {\"name\": \"g\", "
          "\"parameters\": 5}<|python_tag|>print(1)"}) {
      ExpectSameHoweverDivided(reading, text);
    }
  }
}

TEST(OutputReader, PartsArbitraryOutputsTheSameHoweverTheyAreDivided) {
  std::mt19937 random(11);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  const std::vector<OutputReading> readings = Readings();
  for (int run = 0; run < 4000; ++run) {
    std::string text;
    for (size_t words = below(14); words > 0; --words) text += Words()[below(Words().size())];
    const OutputReading& reading = readings[below(readings.size())];
    const ChoiceDelta whole = ReadOutput(reading, text);
    ExpectSame(whole, ReadOutput(reading, Characters(text)), text);
  }
}

TEST(OutputReader, LosesNothingOfAnOutputWithoutACall) {
  std::mt19937 random(12);
  for (const auto format : {ToolFormat::kHermes, ToolFormat::kLlama3, ToolFormat::kMistral}) {
    for (int run = 0; run < 4000; ++run) {
      std::string text;
      for (size_t words = random() % 12; words > 0; --words)
        text += Words()[random() % Words().size()];
      const ChoiceDelta output = ReadOutput({.tools = format, .tool_names = {"f"}}, text);
      if (output.tool_calls.empty()) {
        EXPECT_EQ(output.text, text);
      }
    }
  }
}

TEST(OutputReader, GivesUpOnACallThatDoesNotBeginInReasonableSpace) {
  OutputReader reader({.tools = ToolFormat::kHermes});
  const std::string text =
      R"(<tool_call>{"arguments":")" + std::string(OutputReader::kMostHeldBytes, 'x');
  ChoiceDelta output;
  reader.Push(text, output);

  EXPECT_EQ(output.text, text);
  EXPECT_EQ(reader.broken_calls(), 1);
}

TEST(OutputReader, GivesUpOnANameThatIsTooLongBetweenCharacters) {
  for (const std::string begin : {R"({"name":"f","parameters":{},")", R"({"name":")"}) {
    // Whichever byte of a character the limit falls on.
    for (const size_t shift : {0, 1, 2}) {
      std::string text = begin + std::string(shift, 'x');
      for (int i = 0; i < 200; ++i) text += "\u20ac";
      const ChoiceDelta output =
          ReadOutput({.tools = ToolFormat::kLlama3, .tool_names = {"f"}}, text);
      EXPECT_THAT(output.text, testing::EndsWith("\u20ac"));
      EXPECT_TRUE(text::IsValidUtf8(output.text)) << output.text;
    }
  }
}

TEST(OutputReader, StreamsArgumentsThatNeverEnd) {
  OutputReader reader({.tools = ToolFormat::kHermes});
  ChoiceDelta begin;
  reader.Push(R"(<tool_call>{"name":"f","arguments":[)", begin);
  for (int i = 0; i < 64; ++i) {
    ChoiceDelta delta;
    reader.Push(std::string(size_t{1} << 16, '['), delta);
    ASSERT_THAT(delta.tool_calls, SizeIs(1));
    ASSERT_EQ(delta.tool_calls[0].arguments.size(), size_t{1} << 16);
  }
}

TEST(OutputReader, ReadsNoMoreThanSoManyCalls) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += R"(<tool_call>{"name":"f"}</tool_call>)";
  OutputReader reader({.tools = ToolFormat::kHermes});
  ChoiceDelta output;
  reader.Push(text, output);
  reader.Finish(output);

  EXPECT_THAT(output.tool_calls, SizeIs(OutputReader::kMostCalls));
  EXPECT_EQ(reader.broken_calls(), 5000 - OutputReader::kMostCalls);
  EXPECT_THAT(output.text, testing::StartsWith(R"(<tool_call>{"name":"f"})"));
}

TEST(OutputReader, PassesEndlessSpaceOn) {
  OutputReader reader({.tools = ToolFormat::kHermes, .reasoning = ReasoningFormat::kThink});
  size_t passed = 0;
  for (int i = 0; i < 1000; ++i) {
    ChoiceDelta delta;
    reader.Push(std::string(100, ' '), delta);
    passed += delta.text.size();
  }
  EXPECT_GT(passed, 99'000u);
}

std::string Decoded(const std::string& escaped) {
  JsonString string;
  std::string text;
  for (const char c : escaped) {
    if (!string.Push(c, text)) return text + "|";
  }
  string.Finish(text);
  return text;
}

TEST(JsonString, DecodesEscapes) {
  EXPECT_EQ(Decoded(R"(a\"\\\/\b\f\n\r\t")"), "a\"\\/\b\f\n\r\t|");
  EXPECT_EQ(Decoded(R"(\u0041\u20AC\ud83d\ude00")"), "A€😀|");
}

TEST(JsonString, LeavesWhatIsNoEscapeAsItIs) {
  EXPECT_EQ(Decoded(R"(\q\u12"x)"), R"(\q\u12|)");
  EXPECT_EQ(Decoded(R"(\u12\n\u00)"), "\\u12\n\\u00");
  EXPECT_EQ(Decoded(R"(\ud83dx\ud83d\n\ude00\ud83d")"), "\uFFFDx\uFFFD\n\uFFFD\uFFFD|");
}

}  // namespace
}  // namespace baton::api
