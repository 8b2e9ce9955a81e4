#include "chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using testing::HasSubstr;

TEST(Chunk, CarriesTheTextOfACompletion) {
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"index":0,"text":" a","finish_reason":null}]})").text);
  EXPECT_FALSE(ReadChunk(R"({"choices":[{"index":0,"text":"","finish_reason":null}]})").text);
  EXPECT_TRUE(ReadChunk(R"({"choices": [{"text": "spaced"}]})").text);
}

TEST(Chunk, CarriesTheTextOfAChatAndNotItsRole) {
  EXPECT_FALSE(ReadChunk(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})").text);
  EXPECT_FALSE(ReadChunk(R"({"choices":[{"delta":{"role":"assistant","content":null}}]})").text);
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"delta":{"content":"hi"}}]})").text);
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})").text);
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})").text);
}

TEST(Chunk, IsNotMisledByTextThatLooksLikeAChunk) {
  const Chunk chunk = ReadChunk(R"({"choices":[{"text":"\"usage\":{\"error\""}]})");
  EXPECT_TRUE(chunk.text);
  EXPECT_FALSE(chunk.usage);
  EXPECT_EQ(chunk.error, "");
  EXPECT_FALSE(ReadChunk(R"({"id":"\"text\":\"a\"","choices":[{"text":""}]})").text);
}

TEST(Chunk, SaysHowTheTextEnded) {
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"text":"","finish_reason":"length"}]})").finish);
  EXPECT_FALSE(ReadChunk(R"({"choices":[{"text":"","finish_reason":null}]})").finish);
}

TEST(Chunk, CountsTokens) {
  const Chunk chunk =
      ReadChunk(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}})");
  ASSERT_TRUE(chunk.usage);
  EXPECT_EQ(chunk.usage->prompt_tokens, 7);
  EXPECT_EQ(chunk.usage->completion_tokens, 5);
}

TEST(Chunk, CountsTokensThatComeWithTheLastText) {
  const Chunk chunk =
      ReadChunk(R"({"choices":[{"text":"a"}],"usage":{"prompt_tokens":7,"completion_tokens":5}})");
  EXPECT_TRUE(chunk.text);
  EXPECT_TRUE(chunk.usage);
  EXPECT_FALSE(ReadChunk(R"({"choices":[{"text":"a"}],"usage":null})").usage);
}

TEST(Chunk, IsTheEnd) { EXPECT_TRUE(ReadChunk("[DONE]").done); }

TEST(Chunk, CarriesAnError) {
  EXPECT_EQ(ReadChunk(R"({"error":{"message":"lost","code":503}})").error, "lost");
  EXPECT_EQ(ReadChunk(R"({"error":"plain"})").error, "plain");
  EXPECT_EQ(ReadChunk(R"({"error":null,"choices":[{"text":"a"}]})").error, "");
}

TEST(Chunk, OfNoJsonIsAnError) {
  EXPECT_THAT(ReadChunk("{oops").error, HasSubstr("{oops"));
  EXPECT_THAT(ReadChunk("[1]").error, HasSubstr("no JSON object"));
  EXPECT_THAT(ReadChunk(std::string(10'000, '[')).error, HasSubstr("no JSON object"));
}

TEST(ErrorMessage, IsFoundInTheShapesOfTheServers) {
  EXPECT_EQ(ErrorMessage(R"({"error":{"message":"nested"}})"), "nested");
  EXPECT_EQ(ErrorMessage(R"({"object":"error","message":"flat"})"), "flat");
  EXPECT_EQ(ErrorMessage(R"({"detail":"Not Found"})"), "Not Found");
  EXPECT_EQ(ErrorMessage("<html>502"), "<html>502");
  EXPECT_EQ(ErrorMessage(std::string(1000, 'x')).size(), 200U);
}

}  // namespace
}  // namespace baton::loadgen
