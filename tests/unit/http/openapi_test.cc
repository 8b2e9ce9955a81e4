#include "baton/api/openapi.h"

#include <set>

#include "api/readers.h"
#include "http/routes.h"
#include "server_fixture.h"

namespace baton::http {
namespace {

using Names = std::set<std::string>;

/// The description of the API against what reads requests and answers them.
class OpenApi : public ServerTest {
 protected:
  OpenApi() { StartServer(); }

  const json& Schema(const std::string& name) const {
    return document.at("components").at("schemas").at(name);
  }

  /// The properties of the request schema `name`, those that it takes from others included.
  Names Properties(const json& schema) const {
    Names names;
    if (schema.contains("$ref"))
      return Properties(
          Schema(schema["$ref"].get<std::string>().substr(sizeof("#/components/schemas"))));
    const json parts = schema.value("allOf", json::array());
    for (const json& part : parts) names.merge(Properties(part));
    const json properties = schema.value("properties", json::object());
    for (const auto& [name, property] : properties.items()) names.insert(name);
    return names;
  }

  /// The fields that a reader asks for in `body`.
  template <typename Read>
  static Names Known(const json& body, Read read) {
    const api::Json object = api::Json::parse(body.dump());
    api::JsonFields fields(object);
    read(fields);
    EXPECT_FALSE(fields.error().has_value()) << fields.error()->message;
    return Names(fields.known().begin(), fields.known().end());
  }

  const json document = json::parse(api::OpenApiJson());
  api::CompletionPlan plan;
};

TEST_F(OpenApi, DescribesThePathsThatThereAre) {
  Names described;
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, operation] : operations.items())
      described.insert(method + " " + path.substr(0, path.find('{')));
  Names routes;
  for (const auto& [path, get] : Routes(*frontend, options).Paths())
    routes.insert((get ? "get " : "post ") + path);

  EXPECT_EQ(described, routes);
}

TEST_F(OpenApi, DescribesTheFieldsOfCompletions) {
  EXPECT_EQ(Properties(Schema("CompletionRequest")), Known({{"prompt", "x"}}, [&](auto& fields) {
              api::ReadTextCompletion(fields, frontend->model(), plan);
            }));
}

TEST_F(OpenApi, DescribesTheFieldsOfChatCompletions) {
  EXPECT_EQ(Properties(Schema("ChatCompletionRequest")),
            Known({{"messages", kMessages}},
                  [&](auto& fields) { api::ReadChatCompletion(fields, frontend->model(), plan); }));
}

TEST_F(OpenApi, DescribesTheFieldsOfResponses) {
  EXPECT_EQ(Properties(Schema("ResponsesRequest")), Known({{"input", "x"}}, [](auto& fields) {
              api::ChatTranslation chat;
              api::TranslateResponses(fields, chat);
            }));
}

TEST_F(OpenApi, DescribesTheFieldsOfMessages) {
  const json body = {{"messages", kMessages}, {"max_tokens", 1}};
  for (const bool counts_only : {false, true}) {
    EXPECT_EQ(Properties(Schema(counts_only ? "CountTokensRequest" : "MessagesRequest")),
              Known(body, [&](auto& fields) {
                api::ChatTranslation chat;
                api::TranslateMessages(fields, counts_only, chat);
              }));
  }
}

TEST_F(OpenApi, DescribesTheFieldsOfTokenRequests) {
  Names tokenize = Known({{"prompt", "x"}}, [&](auto& fields) {
    api::TokenizeRequest request;
    api::ReadTokenize(fields, frontend->model(), request);
  });
  tokenize.merge(Known({{"messages", kMessages}}, [&](auto& fields) {
    api::TokenizeRequest request;
    api::ReadTokenize(fields, frontend->model(), request);
  }));
  EXPECT_EQ(Properties(Schema("TokenizeRequest")), tokenize);
  EXPECT_EQ(Properties(Schema("DetokenizeRequest")), Known({{"tokens", {65}}}, [&](auto& fields) {
              std::vector<TokenId> tokens;
              api::ReadDetokenize(fields, frontend->model(), tokens);
            }));
}

TEST_F(OpenApi, RefersOnlyToSchemasThatThereAre) {
  const std::string text = document.dump();
  const std::string mark = R"("$ref":"#/components/schemas/)";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const size_t name = at + mark.size();
    EXPECT_TRUE(
        document["components"]["schemas"].contains(text.substr(name, text.find('"', name) - name)));
  }
}

TEST_F(OpenApi, IsServed) {
  const HttpReply reply = test::HttpGet(server->port(), "/openapi.json");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body), document);
}

TEST_F(OpenApi, FindsModelsWhoseNamesHaveSlashesEncodedOrNot) {
  api_options.model = "org/model a";
  server.reset();
  StartServer();
  for (const char* name : {"org/model%20a", "org%2Fmodel%20a"})
    EXPECT_EQ(
        json::parse(test::HttpGet(server->port(), std::string("/v1/models/") + name).body)["id"],
        "org/model a");
  EXPECT_EQ(test::HttpGet(server->port(), "/v1/models/org").status, 404);
}

}  // namespace
}  // namespace baton::http
