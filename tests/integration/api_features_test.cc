#include <functional>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/api_answer.h"
#include "support/served_baton.h"

/// Every feature of the API answers the same bytes whether prefill and decode are split or not.
namespace baton::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kResponses[] = "/v1/responses";
constexpr char kMessages[] = "/v1/messages";

struct Feature {
  std::string name;
  std::string path;
  json body;
  /// Looks for what the feature does to an answer.
  std::function<void(const Answer&)> check;

  friend std::ostream& operator<<(std::ostream& out, const Feature& f) { return out << f.name; }
};

json Response(const json& fields = json::object()) {
  json body{{"input", "What is the capital of France?"},
            {"instructions", "Be brief."},
            {"max_output_tokens", 12},
            {"temperature", 0}};
  body.update(fields);
  return body;
}

const json& Choice(const Answer& answer, size_t index = 0) {
  return answer.parts.at(0).at("choices").at(index);
}

/// A chat with a tool of which one argument of few is wanted.
json ToolChat(const json& fields) {
  json body = ChatBody(
      {{"max_tokens", 100}, {"tools", json::parse(R"([{"type":"function","function":{"name":"paint",
                        "parameters":{"type":"object","properties":{"colour":{"enum":
                        ["red","green"]}},"required":["colour"]}}}])")}});
  body.update(fields);
  return body;
}

/// The one call of an answer, its deltas joined; its finish reason under "finish".
json CallIn(const Answer& answer) {
  json call = {{"name", ""}, {"arguments", ""}};
  for (const json& part : answer.parts) {
    for (const json& choice : part.value("choices", json::array())) {
      if (!choice["finish_reason"].is_null()) call["finish"] = choice["finish_reason"];
      const json& message = choice.contains("delta") ? choice["delta"] : choice["message"];
      for (const json& piece : message.value("tool_calls", json::array()))
        for (const char* name : {"name", "arguments"})
          call[name] = call[name].get<std::string>() + piece["function"].value(name, "");
    }
  }
  return call;
}

void ExpectPaintCall(const Answer& answer, const std::string& finish) {
  const json call = CallIn(answer);
  EXPECT_EQ(call["name"], "paint");
  EXPECT_THAT(call["arguments"].get<std::string>(),
              testing::MatchesRegex("\\{[ \n]?\"colour\"[ \n]?:[ \n]?\"(red|green)\"[ \n]?\\}"));
  EXPECT_EQ(call["finish"], finish);
}

std::vector<Feature> Features() {
  const auto answered = [](const Answer& answer) { EXPECT_NE(TextOf(answer), ""); };
  return {
      {"Text", kText, TextBody(), answered},
      {"TextStream", kText, TextBody({{"stream", true}}),
       [](const Answer& answer) {
         EXPECT_TRUE(answer.done);
         EXPECT_NE(TextOf(answer), "");
       }},
      {"Chat", kChat, ChatBody(), answered},
      {"ChatStream", kChat, ChatBody({{"stream", true}}), answered},
      {"Tools", kChat, ToolChat({{"max_tokens", 12}}), answered},
      {"RequiredCall", kChat,
       ToolChat({{"tool_choice", "required"}, {"parallel_tool_calls", false}}),
       [](const Answer& answer) { ExpectPaintCall(answer, "tool_calls"); }},
      {"NamedCallStream", kChat,
       ToolChat({{"tool_choice", json::parse(R"({"type":"function","function":{"name":"paint"}})")},
                 {"stream", true}}),
       [](const Answer& answer) { ExpectPaintCall(answer, "stop"); }},
      // The model's generation_config.json says not to sample: without a temperature the answers
      // could hardly be the same otherwise.
      {"ModelDefaults",
       kText,
       {{"prompt", "Once upon a time there was a"}, {"max_tokens", 40}},
       answered},
      {"Seeded", kText, TextBody({{"temperature", 1}, {"seed", 11}}), answered},
      {"Filters", kText,
       TextBody(
           {{"temperature", 1.5}, {"seed", 5}, {"top_k", 40}, {"top_p", 0.9}, {"min_p", 0.01}}),
       answered},
      {"Penalties", kText,
       TextBody({{"repetition_penalty", 1.3}, {"presence_penalty", 1}, {"frequency_penalty", 0.5}}),
       answered},
      {"Several", kText, TextBody({{"n", 3}, {"temperature", 1}, {"seed", 3}}),
       [](const Answer& answer) {
         std::set<std::string> texts;
         for (size_t i = 0; i < 3; ++i) {
           EXPECT_EQ(Choice(answer, i)["index"], i);
           texts.insert(Choice(answer, i)["text"]);
         }
         EXPECT_EQ(texts.size(), 3u);
       }},
      {"SeveralPrompts", kText, TextBody({{"prompt", {"One", "Two"}}, {"n", 2}, {"stream", true}}),
       [](const Answer& answer) { EXPECT_NE(TextOf(answer, 3), ""); }},
      {"BestOf", kText, TextBody({{"best_of", 4}, {"temperature", 1}, {"seed", 3}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["choices"].size(), 1u);
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 48);
       }},
      {"Logprobs", kText, TextBody({{"logprobs", 5}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["logprobs"]["tokens"].size(), 12u);
         EXPECT_GE(Choice(answer)["logprobs"]["top_logprobs"][0].size(), 5u);
       }},
      {"ChatLogprobs", kChat, ChatBody({{"logprobs", true}, {"top_logprobs", 5}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["logprobs"]["content"][0]["top_logprobs"].size(), 5u);
       }},
      {"ChatLogprobsStream", kChat, ChatBody({{"logprobs", true}, {"stream", true}}), answered},
      {"Echo", kText, TextBody({{"echo", true}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::StartsWith("Once upon a time"));
       }},
      {"EchoLogprobs", kText, TextBody({{"echo", true}, {"logprobs", 2}}),
       [](const Answer& answer) {
         const json& logprobs = Choice(answer)["logprobs"];
         const size_t prompt = answer.parts.at(0)["usage"]["prompt_tokens"];
         ASSERT_EQ(logprobs["tokens"].size(), prompt + 12);
         EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
         EXPECT_LT(logprobs["token_logprobs"][1], 0);
         EXPECT_EQ(logprobs["text_offset"][prompt], TextBody()["prompt"].get<std::string>().size());
       }},
      {"EchoLogprobsStream", kText, TextBody({{"echo", true}, {"logprobs", 2}, {"stream", true}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::StartsWith("Once upon a time"));
       }},
      {"Score", kText, TextBody({{"echo", true}, {"logprobs", 0}, {"max_tokens", 0}}),
       [](const Answer& answer) {
         EXPECT_EQ(TextOf(answer), TextBody()["prompt"]);
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 0);
         EXPECT_EQ(Choice(answer)["finish_reason"], "length");
       }},
      {"PromptLogprobs", kText, TextBody({{"prompt_logprobs", 3}}),
       [](const Answer& answer) {
         const json& tokens = Choice(answer)["prompt_logprobs"];
         ASSERT_EQ(tokens.size(), answer.parts.at(0)["usage"]["prompt_tokens"]);
         EXPECT_TRUE(tokens[0].is_null());
         EXPECT_GE(tokens[1].size(), 3u);
       }},
      {"ChatPromptLogprobs", kChat, ChatBody({{"prompt_logprobs", 0}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["prompt_logprobs"].size(),
                   answer.parts.at(0)["usage"]["prompt_tokens"]);
       }},
      {"Stop", kText, TextBody({{"stop", {" ", "."}}, {"max_tokens", 40}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["finish_reason"], "stop");
         EXPECT_EQ(TextOf(answer).find(' '), std::string::npos);
       }},
      {"StopInOutput", kText,
       TextBody({{"stop", " "}, {"include_stop_str_in_output", true}, {"max_tokens", 40}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::EndsWith(" ")); }},
      {"IgnoreEos", kText, TextBody({{"ignore_eos", true}, {"max_tokens", 64}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 64);
       }},
      {"MinTokens", kChat, ChatBody({{"min_tokens", 20}, {"max_tokens", 21}}),
       [](const Answer& answer) {
         EXPECT_GE(answer.parts.at(0)["usage"]["completion_tokens"], 20);
       }},
      {"Usage", kText,
       TextBody({{"stream", true},
                 {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.back()["usage"]["completion_tokens"], 12);
         EXPECT_EQ(answer.parts.front()["usage"]["completion_tokens"], 1);
       }},
      {"LogitBias", kText, TextBody({{"logit_bias", {{"100", 100}}}, {"return_token_ids", true}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["token_ids"], json(std::vector<int>(12, 100)));
       }},
      {"JsonObject", kChat, ChatBody({{"response_format", {{"type", "json_object"}}}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::StartsWith("{")); }},
      {"JsonSchema", kChat,
       ChatBody({{"max_tokens", 500},
                 {"response_format",
                  {{"type", "json_schema"},
                   {"json_schema",
                    {{"name", "answer"},
                     {"schema",
                      {{"type", "object"},
                       {"properties",
                        {{"big", {{"type", "boolean"}}}, {"color", {{"enum", {"red", "blue"}}}}}},
                       {"required", {"big", "color"}},
                       {"additionalProperties", false}}}}}}}}),
       [](const Answer& answer) {
         const json object = json::parse(TextOf(answer));
         EXPECT_TRUE(object["big"].is_boolean());
         EXPECT_TRUE(object["color"] == "red" || object["color"] == "blue");
         EXPECT_EQ(Choice(answer)["finish_reason"], "stop");
       }},
      {"Regex", kText, TextBody({{"guided_regex", "[0-9]{3}-[0-9]{4}"}, {"max_tokens", 30}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::MatchesRegex("[0-9][0-9][0-9]-[0-9][0-9][0-9][0-9]"));
       }},
      {"Choices", kText,
       TextBody({{"guided_choice", {"alpha", "beta", "gamma"}}, {"temperature", 1}, {"seed", 4}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::AnyOf("alpha", "beta", "gamma"));
       }},
      {"Grammar", kText,
       TextBody({{"guided_grammar", "root ::= \"x\" (\"y\" root \"z\")?"}, {"stream", true}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::StartsWith("x")); }},
      {"TokenIds", kText, TextBody({{"return_token_ids", true}}),
       [](const Answer& answer) { EXPECT_EQ(Choice(answer)["token_ids"].size(), 12u); }},
      {"TokensIn", kText, TextBody({{"prompt", {5, 6, 7, 8}}}), answered},
      {"Session", kText, TextBody({{"baton", {{"session", "s"}, {"ttft_slo_ms", 60'000}}}}),
       answered},
      {"ContextExceeded", kText, TextBody({{"max_tokens", 5000}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.status, 400);
         EXPECT_EQ(answer.parts.at(0)["error"]["code"], "context_length_exceeded");
       }},
      {"TooManyLogprobs", kText, TextBody({{"logprobs", 21}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.status, 400);
         EXPECT_EQ(answer.parts.at(0)["error"]["param"], "logprobs");
       }},
      {"Response", kResponses, Response({{"top_logprobs", 2}}),
       [](const Answer& answer) {
         const json& part = answer.parts.at(0)["output"][0]["content"][0];
         EXPECT_NE(part["text"], "");
         EXPECT_EQ(part["logprobs"].size(), 12u);
       }},
      {"ResponseStream", kResponses, Response({{"stream", true}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.back()["type"], "response.incomplete");
         EXPECT_EQ(answer.parts.back()["response"]["usage"]["output_tokens"], 12);
       }},
      {"ResponseCall", kResponses,
       Response({{"stream", true},
                 {"max_output_tokens", 60},
                 {"tool_choice", {{"type", "function"}, {"name", "get_weather"}}},
                 {"tools",
                  {{{"type", "function"},
                    {"name", "get_weather"},
                    {"parameters", {{"type", "object"}}}}}}}),
       [](const Answer& answer) {
         const json& item = answer.parts.back()["response"]["output"][0];
         EXPECT_EQ(item["type"], "function_call");
         EXPECT_EQ(item["name"], "get_weather");
       }},
      {"MessageCall", kMessages,
       ChatBody({{"max_tokens", 60},
                 {"tool_choice", {{"type", "any"}}},
                 {"tools", {{{"name", "get_weather"}, {"input_schema", {{"type", "object"}}}}}}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["content"][0]["name"], "get_weather");
       }},
      {"Message", kMessages, ChatBody({{"stop_sequences", {"#", " "}}}),
       [](const Answer& answer) { EXPECT_EQ(answer.parts.at(0)["stop_sequence"], " "); }},
      {"MessageStream", kMessages, ChatBody({{"stream", true}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.front()["type"], "message_start");
         EXPECT_EQ(answer.parts.back()["type"], "message_stop");
       }},
      {"CountTokens", "/v1/messages/count_tokens", ChatBody(),
       [](const Answer& answer) { EXPECT_GT(answer.parts.at(0)["input_tokens"], 10); }},
      {"Tokenize",
       "/tokenize",
       {{"prompt", "Hello world"}},
       [](const Answer& answer) { EXPECT_GT(answer.parts.at(0)["count"], 0); }},
  };
}

/// One split and one mixed deployment for all tests.
class ApiFeatures : public testing::TestWithParam<Feature> {
 protected:
  static void SetUpTestSuite() {
    split_ = std::make_unique<ServedBaton>();
    mixed_ = std::make_unique<ServedBaton>(ServedOptions{.prefill = 0, .decode = 0, .mixed = 1});
    ASSERT_TRUE(split_->WaitReady());
    ASSERT_TRUE(mixed_->WaitReady());
  }
  static void TearDownTestSuite() {
    EXPECT_TRUE(split_->WaitIdle()) << split_->log();
    EXPECT_TRUE(mixed_->WaitIdle()) << mixed_->log();
    split_.reset();
    mixed_.reset();
  }

  static std::unique_ptr<ServedBaton> split_;
  static std::unique_ptr<ServedBaton> mixed_;
};
std::unique_ptr<ServedBaton> ApiFeatures::split_;
std::unique_ptr<ServedBaton> ApiFeatures::mixed_;

TEST_P(ApiFeatures, AnswerTheSameSplitAndMixed) {
  const Feature& feature = GetParam();

  const Answer mixed = Ask(mixed_->port(), feature.path, feature.body);
  const Answer split = Ask(split_->port(), feature.path, feature.body);

  EXPECT_EQ(split.status, mixed.status);
  EXPECT_EQ(split.parts, mixed.parts);
  EXPECT_EQ(split.done, mixed.done);
  feature.check(split);
}

INSTANTIATE_TEST_SUITE_P(All, ApiFeatures, testing::ValuesIn(Features()),
                         [](const auto& feature) { return feature.param.name; });

}  // namespace
}  // namespace baton::test
