#include "baton/loadgen/request_body.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/loadgen/stream_client.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;

const Prompt kPrompt{.shared = " sys", .text = " user \"x\"", .output_tokens = 7};

Json BodyOf(const RequestFormat& format) { return Json::parse(CompletionBody(format, kPrompt)); }

TEST(RequestBody, AsksForAStreamWithUsage) {
  EXPECT_EQ(BodyOf({.model = "m"}), Json::parse(R"({
      "model": "m", "prompt": " sys user \"x\"", "max_tokens": 7, "temperature": 0.0,
      "stream": true, "stream_options": {"include_usage": true}, "ignore_eos": true})"));
}

TEST(RequestBody, OfAChatHasWhatIsSharedAsTheSystemsMessage) {
  const Json body = BodyOf({.chat = true, .model = "m"});
  EXPECT_EQ(body["messages"], Json::parse(R"([{"role": "system", "content": " sys"},
                                              {"role": "user", "content": " user \"x\""}])"));
  EXPECT_FALSE(body.contains("prompt"));
  EXPECT_EQ(CompletionPath({.chat = true}), "/v1/chat/completions");
}

TEST(RequestBody, HasTheExtraFieldsLast) {
  const Json body = BodyOf({.model = "m", .extra = R"({"top_p": 0.5, "temperature": 2})"});
  EXPECT_EQ(body["top_p"], 0.5);
  EXPECT_EQ(body["temperature"], 2);
}

TEST(RequestBody, LeavesOutWhatSomeServersRefuse) {
  EXPECT_FALSE(BodyOf({.model = "m", .ignore_eos = false}).contains("ignore_eos"));
}

TEST(RequestBody, TakesObjectsAloneAsExtraFields) {
  EXPECT_TRUE(CheckExtraFields("{}").ok());
  for (const char* text : {"", "[]", "3", "{\"a\":}"}) EXPECT_FALSE(CheckExtraFields(text).ok());
}

TEST(BaseUrl, IsWithoutWhatThePathsBeginWith) {
  EXPECT_EQ(*BaseUrl("http://h:1"), "http://h:1");
  EXPECT_EQ(*BaseUrl("https://h/v1/"), "https://h");
  EXPECT_EQ(*BaseUrl("http://h/openai/v1"), "http://h/openai");
  for (const char* url : {"", "h:8000", "ftp://h", "http://", "http:///", "http://h?x"}) {
    EXPECT_FALSE(BaseUrl(url).ok()) << url;
  }
}

}  // namespace
}  // namespace baton::loadgen
