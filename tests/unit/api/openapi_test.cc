#include "baton/api/openapi.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/readers.h"
#include "baton/api/frontend.h"
#include "support/fake_backend.h"
#include "support/tiny_tokenizer.h"

namespace baton::api {
namespace {

using nlohmann::json;
using testing::IsEmpty;
using Names = std::set<std::string>;

const json kMessages = {{{"role", "user"}, {"content", "Hi"}}};

/// The description of the API against what reads requests.
class OpenApi : public testing::Test {
 protected:
  OpenApi() {
    auto parsed = text::ChatTemplate::Parse("{% for m in messages %}{{ m.content }}{% endfor %}");
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) chat_template.emplace(*std::move(parsed));
    auto created = Frontend::Create({.model = "tiny", .context_tokens = 256}, backend, *tokenizer,
                                    &*chat_template, metrics, clock);
    EXPECT_TRUE(created.ok()) << created.status();
    if (created.ok()) frontend = *std::move(created);
  }

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

  /// The fields of the request schema `name` that nothing reads, and those read that it lacks.
  std::vector<std::string> Differences(const std::string& name, const Names& known) const {
    const Names described = Properties(Schema(name));
    std::vector<std::string> differences;
    std::set_symmetric_difference(described.begin(), described.end(), known.begin(), known.end(),
                                  std::back_inserter(differences));
    return differences;
  }

  /// The fields that a reader asks for in `body`.
  template <typename Read>
  static Names Known(const json& body, Read read) {
    const Json object = Json::parse(body.dump());
    JsonFields fields(object);
    read(fields);
    EXPECT_FALSE(fields.error().has_value()) << fields.error()->message;
    return Names(fields.known().begin(), fields.known().end());
  }

  std::unique_ptr<text::Tokenizer> tokenizer = test::MakeTinyTokenizer();
  std::optional<text::ChatTemplate> chat_template;
  telemetry::MetricRegistry metrics;
  ManualClock clock;
  test::FakeBackend backend;
  std::unique_ptr<Frontend> frontend;
  const json document = json::parse(OpenApiJson());
  CompletionPlan plan;
};

TEST_F(OpenApi, DescribesTheFieldsOfCompletions) {
  const Names known = Known({{"prompt", "x"}}, [&](JsonFields& fields) {
    ReadTextCompletion(fields, frontend->model(), plan);
  });
  EXPECT_THAT(Differences("CompletionRequest", known), IsEmpty());
}

TEST_F(OpenApi, DescribesTheFieldsOfChatCompletions) {
  const Names known = Known({{"messages", kMessages}}, [&](JsonFields& fields) {
    ReadChatCompletion(fields, frontend->model(), plan);
  });
  EXPECT_THAT(Differences("ChatCompletionRequest", known), IsEmpty());
}

TEST_F(OpenApi, DescribesTheFieldsOfResponses) {
  const Names known = Known({{"input", "x"}}, [](JsonFields& fields) {
    ChatTranslation chat;
    TranslateResponses(fields, chat);
  });
  EXPECT_THAT(Differences("ResponsesRequest", known), IsEmpty());
}

TEST_F(OpenApi, DescribesTheFieldsOfMessages) {
  for (const bool counts_only : {false, true}) {
    const Names known =
        Known({{"messages", kMessages}, {"max_tokens", 1}}, [&](JsonFields& fields) {
          ChatTranslation chat;
          TranslateMessages(fields, counts_only, chat);
        });
    EXPECT_THAT(Differences(counts_only ? "CountTokensRequest" : "MessagesRequest", known),
                IsEmpty());
  }
}

TEST_F(OpenApi, DescribesTheFieldsOfTokenRequests) {
  TokenizeRequest request;
  const auto tokenize = [&](JsonFields& fields) {
    ReadTokenize(fields, frontend->model(), request);
  };
  Names known = Known({{"prompt", "x"}}, tokenize);
  known.merge(Known({{"messages", kMessages}}, tokenize));
  EXPECT_THAT(Differences("TokenizeRequest", known), IsEmpty());
  const Names detokenize = Known({{"tokens", {65}}}, [&](JsonFields& fields) {
    std::vector<TokenId> tokens;
    ReadDetokenize(fields, frontend->model(), tokens);
  });
  EXPECT_THAT(Differences("DetokenizeRequest", detokenize), IsEmpty());
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

}  // namespace
}  // namespace baton::api
