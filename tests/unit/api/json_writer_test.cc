#include "baton/api/json_writer.h"

#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::api {
namespace {

std::string Written(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

TEST(JsonWriter, EveryCharacterReadsBackAsItself) {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  text += "\u00e9\u20ac\U0001F600\u2028\uFFFD";

  EXPECT_EQ(nlohmann::json::parse(Written(text)).get<std::string>(), text);
}

TEST(JsonWriter, LeavesNoControlCharacterOrLineBreakInAString) {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);

  for (const char c : Written(text)) {
    EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_NE(c, '\x7f');
  }
}

TEST(JsonWriter, WritesTheShortestNumberThatReadsBackEqual) {
  std::string out;
  AppendJsonLogprob(out, -0.1f);

  EXPECT_EQ(out, "-0.1");
}

TEST(JsonWriter, WritesAnImpossibleTokenAsOpenAiDoes) {
  std::string out;
  AppendJsonLogprob(out, -std::numeric_limits<float>::infinity());

  EXPECT_EQ(out, "-9999");
}

}  // namespace
}  // namespace baton::api
