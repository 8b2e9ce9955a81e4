#include "server_fixture.h"
#include "support/openapi_schema.h"

namespace baton::http {
namespace {

/// Responses against OpenAI's own schema, where it is at hand.
class OpenAiResponse : public ServerTest {
 protected:
  void SetUp() override {
    schema =
        OpenApiSchema::Load(BATON_SOURCE_DIR "/../shared/data/api/openapi.inference-subset.json");
    if (!schema) GTEST_SKIP() << "OpenAI's API schema is not here";
    backend.script = Says("a\u20ac");
    StartServer();
  }

  std::optional<OpenApiSchema> schema;
};

TEST_F(OpenAiResponse, WholeTextCompletionsFitTheSchema) {
  const HttpReply reply = Complete({{"prompt", "x"}, {"n", 2}, {"logprobs", 2}});

  EXPECT_THAT(schema->Check("CreateCompletionResponse", json::parse(reply.body)), IsEmpty());
}

TEST_F(OpenAiResponse, StreamedTextCompletionsFitTheSchema) {
  for (json chunk :
       Stream("/v1/completions", {{"prompt", "x"}, {"logprobs", 2}, {"stream", true}})) {
    // The schema is that of whole responses: a finish reason may not be null there.
    if (chunk["choices"][0]["finish_reason"].is_null())
      chunk["choices"][0]["finish_reason"] = "stop";
    EXPECT_THAT(schema->Check("CreateCompletionResponse", chunk), IsEmpty()) << chunk;
  }
}

TEST_F(OpenAiResponse, WholeChatsFitTheSchema) {
  const HttpReply reply =
      Chat({{"messages", kMessages}, {"n", 2}, {"logprobs", true}, {"top_logprobs", 3}});

  EXPECT_THAT(schema->Check("CreateChatCompletionResponse", json::parse(reply.body)), IsEmpty());
}

TEST_F(OpenAiResponse, StreamedChatsFitTheSchema) {
  for (const json& chunk :
       Stream("/v1/chat/completions", {{"messages", kMessages},
                                       {"logprobs", true},
                                       {"stream", true},
                                       {"stream_options", {{"include_usage", true}}}}))
    EXPECT_THAT(schema->Check("CreateChatCompletionStreamResponse", chunk), IsEmpty()) << chunk;
}

TEST_F(OpenAiResponse, ErrorsAndModelsFitTheSchema) {
  const HttpReply error = Complete({{"prompt", 5}});
  EXPECT_THAT(schema->Check("ErrorResponse", json::parse(error.body)), IsEmpty());
  const HttpReply models = test::HttpGet(server->port(), "/v1/models");
  EXPECT_THAT(schema->Check("ListModelsResponse", json::parse(models.body)), IsEmpty());
}

}  // namespace
}  // namespace baton::http
