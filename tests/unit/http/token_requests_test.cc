#include "server_fixture.h"

namespace baton::http {
namespace {

class TokenRequests : public ServerTest {
 protected:
  json Answer(const std::string& path, const json& body) {
    const HttpReply reply = Post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body);
  }
};

TEST_F(TokenRequests, TokenizeCountsTheTokensOfAPrompt) {
  StartServer();
  const json answer = Answer("/tokenize", {{"model", "tiny"}, {"prompt", "a<|end|>"}});
  EXPECT_EQ(answer["count"], 2);
  EXPECT_EQ(answer["tokens"], json({'a', kEndToken}));
  EXPECT_EQ(answer["max_model_len"], 256);
  EXPECT_EQ(answer["token_strs"], nullptr);
}

TEST_F(TokenRequests, TokenizeGivesTheTextOfEachTokenWhenAsked) {
  StartServer();
  const json answer = Answer("/tokenize", {{"prompt", "a<|end|>"}, {"return_token_strs", true}});
  EXPECT_EQ(answer["token_strs"], json({"a", "<|end|>"}));
}

TEST_F(TokenRequests, TokenizeTakesPromptsBeyondTheContext) {
  StartServer();
  EXPECT_EQ(Answer("/tokenize", {{"prompt", std::string(1000, 'x')}})["count"], 1000);
}

TEST_F(TokenRequests, TokenizeRendersMessagesAsAChatCompletionWould) {
  backend.script = Says("x");
  StartServer();
  const json answer = Answer("/tokenize", {{"messages", kMessages}});
  EXPECT_EQ(json::parse(Chat({{"messages", kMessages}}).body)["usage"]["prompt_tokens"],
            answer["count"]);
}

TEST_F(TokenRequests, DetokenizeGivesTheTextBack) {
  StartServer();
  EXPECT_EQ(Answer("/detokenize", {{"tokens", {kHelloToken, '!', kEndToken}}})["prompt"],
            "Hello!<|end|>");
}

TEST_F(TokenRequests, NameWhatIsWrong) {
  StartServer();
  EXPECT_EQ(ErrorOf(Post("/tokenize", json::object()))["param"], "prompt");
  EXPECT_EQ(ErrorOf(Post("/tokenize", {{"prompt", 7}}))["param"], "prompt");
  EXPECT_EQ(ErrorOf(Post("/detokenize", json::object()))["param"], "tokens");
  EXPECT_EQ(ErrorOf(Post("/detokenize", {{"tokens", {1, kTinyVocabulary}}}))["param"], "tokens");
  EXPECT_EQ(ErrorOf(Post("/detokenize", {{"tokens", "abc"}}))["param"], "tokens");
  EXPECT_EQ(Post("/tokenize", {{"model", "other"}, {"prompt", "x"}}).status, 404);
}

}  // namespace
}  // namespace baton::http
