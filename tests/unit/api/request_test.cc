#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/api/requests.h"
#include "support/tiny_tokenizer.h"

namespace baton::api {
namespace {

using test::MakeTinyTokenizer;

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kTemplate[] = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";

class OpenAiRequest : public testing::Test {
 protected:
  OpenAiRequest() {
    auto parsed = text::ChatTemplate::Parse(kTemplate);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) chat_template.emplace(*std::move(parsed));
    options.model = "tiny";
    options.context_tokens = 100;
    options.sampling_defaults.temperature = 0.5f;
  }
  ServedModel Model() {
    return {options, *tokenizer, chat_template ? &*chat_template : nullptr,
            clock,   12,         metrics.AddCounter("unknown", "Unknown fields"),
            grammars};
  }
  std::optional<ApiError> ReadText(const std::string& body) {
    plan = {};
    return ReadTextCompletion(body, Model(), plan);
  }
  /// With {"prompt": "ab"} beneath `fields`.
  std::optional<ApiError> ReadText(json fields) {
    if (!fields.contains("prompt")) fields["prompt"] = "ab";
    return ReadText(fields.dump());
  }
  std::optional<ApiError> ReadChat(json fields) {
    if (!fields.contains("messages")) fields["messages"] = {{{"role", "user"}, {"content", "Hi"}}};
    plan = {};
    return ReadChatCompletion(fields.dump(), Model(), plan);
  }

  std::unique_ptr<text::Tokenizer> tokenizer = MakeTinyTokenizer();
  std::optional<text::ChatTemplate> chat_template;
  telemetry::MetricRegistry metrics;
  grammar::GrammarCache grammars;
  ManualClock clock;
  ApiOptions options;
  CompletionPlan plan;
};

#define ASSERT_READ(expression)                                  \
  do {                                                           \
    const std::optional<ApiError> read_error = (expression);     \
    ASSERT_FALSE(read_error.has_value()) << read_error->message; \
  } while (false)

TEST_F(OpenAiRequest, TakesWhatIsAbsentOrNullFromTheDefaults) {
  ASSERT_READ(ReadText(json{{"temperature", nullptr}, {"max_tokens", nullptr}, {"stop", nullptr}}));

  EXPECT_EQ(plan.sampling.temperature, 0.5f);
  ASSERT_EQ(plan.prompts.size(), 1u);
  EXPECT_EQ(plan.prompts[0].max_tokens, 16);
  EXPECT_THAT(plan.prompts[0].tokens, ElementsAre('a', 'b'));
  EXPECT_EQ(plan.sampling.logprobs, -1);
}

TEST_F(OpenAiRequest, ReadsEverySamplingField) {
  ASSERT_READ(ReadText(json{{"temperature", 0.25},
                            {"top_p", 0.5},
                            {"top_k", 7},
                            {"min_p", 0.125},
                            {"repetition_penalty", 1.5},
                            {"frequency_penalty", -1},
                            {"presence_penalty", 2},
                            {"seed", 42},
                            {"max_tokens", 9},
                            {"min_tokens", 3},
                            {"ignore_eos", true},
                            {"stop_token_ids", {5, 6}},
                            {"logprobs", 2}}));

  SamplingParams wanted{.temperature = 0.25f,
                        .top_k = 7,
                        .top_p = 0.5f,
                        .min_p = 0.125f,
                        .repetition_penalty = 1.5f,
                        .frequency_penalty = -1,
                        .presence_penalty = 2,
                        .seed = 42,
                        .max_tokens = 9,
                        .min_tokens = 3,
                        .ignore_eos = true,
                        .stop_token_ids = {5, 6},
                        .logprobs = 2};
  EXPECT_EQ(plan.sampling, wanted);
}

TEST_F(OpenAiRequest, TakesSeedsOfAll64Bits) {
  ASSERT_READ(ReadText(json{{"seed", -1}}));
  EXPECT_EQ(plan.sampling.seed, std::numeric_limits<uint64_t>::max());
  ASSERT_READ(ReadText(json{{"seed", std::numeric_limits<uint64_t>::max()}}));
  EXPECT_EQ(plan.sampling.seed, std::numeric_limits<uint64_t>::max());
}

TEST_F(OpenAiRequest, DrawsASeedWhenNoneIsGiven) {
  ASSERT_READ(ReadText(json::object()));
  const uint64_t first = plan.sampling.seed;
  ASSERT_READ(ReadText(json::object()));

  EXPECT_NE(plan.sampling.seed, first);
}

TEST_F(OpenAiRequest, ReadsTopKOfMinusOneAsAll) {
  ASSERT_READ(ReadText(json{{"top_k", -1}}));

  EXPECT_EQ(plan.sampling.top_k, 0);
}

TEST_F(OpenAiRequest, ReadsPromptsInAllFourShapes) {
  ASSERT_READ(ReadText(json{{"prompt", {65, 66}}}));
  EXPECT_THAT(plan.prompts[0].tokens, ElementsAre(65, 66));
  ASSERT_READ(ReadText(json{{"prompt", {"A", "BC"}}}));
  ASSERT_EQ(plan.prompts.size(), 2u);
  EXPECT_THAT(plan.prompts[1].tokens, ElementsAre(66, 67));
  ASSERT_READ(ReadText(json{{"prompt", {{65}, {66, 67}}}}));
  ASSERT_EQ(plan.prompts.size(), 2u);
  EXPECT_THAT(plan.prompts[1].tokens, ElementsAre(66, 67));
}

TEST_F(OpenAiRequest, RendersAChatThroughTheTemplate) {
  ASSERT_READ(ReadChat(
      {{"messages",
        {{{"role", "system"}, {"content", "S"}},
         {{"role", "user"},
          {"content", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}}}}}}}));

  EXPECT_EQ(plan.prompts[0].text, "[system]S[user]a\nb");
}

TEST_F(OpenAiRequest, LetsAChatUseWhatTheContextLeaves) {
  ASSERT_READ(ReadChat(json::object()));

  EXPECT_EQ(plan.prompts[0].tokens.size(), 8u);
  EXPECT_EQ(plan.prompts[0].max_tokens, 92);
}

TEST_F(OpenAiRequest, PrefersTheNewerNameOfMaxTokens) {
  ASSERT_READ(ReadChat({{"max_tokens", 5}, {"max_completion_tokens", 6}}));

  EXPECT_EQ(plan.prompts[0].max_tokens, 6);
}

TEST_F(OpenAiRequest, SaysBothNumbersWhenTheContextIsExceeded) {
  const auto error = ReadText(json{{"prompt", std::string(90, 'a')}, {"max_tokens", 20}});

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "context_length_exceeded");
  EXPECT_THAT(error->message, HasSubstr("100 tokens"));
  EXPECT_THAT(error->message, HasSubstr("90 and 20"));
}

TEST_F(OpenAiRequest, RefusesAHugePromptWithoutTokenizingIt) {
  const auto error = ReadText(json{{"prompt", std::string(1 << 20, 'a')}});

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "context_length_exceeded");
  EXPECT_THAT(error->message, HasSubstr("at least"));
}

TEST_F(OpenAiRequest, IgnoresAndCountsFieldsThatItDoesNotKnow) {
  ASSERT_READ(ReadText(json{{"brand_new_field", {{"x", 1}}}, {"user", "me"}}));
  EXPECT_EQ(metrics.Collect().families.at(0).samples.at(0).value, 1);
}

TEST_F(OpenAiRequest, ReadsFieldsOfItsOwn) {
  ASSERT_READ(ReadText(json{{"baton", {{"timings", true}, {"trace", true}}}}));
  EXPECT_TRUE(plan.timings);
  EXPECT_TRUE(plan.trace);
  ASSERT_READ(ReadText(json{{"baton", {{"timings", false}, {"trace", nullptr}}}}));
  EXPECT_FALSE(plan.timings);
  EXPECT_FALSE(plan.trace);
}

TEST_F(OpenAiRequest, TakesTimingForTimings) {
  ASSERT_READ(ReadText(json{{"baton", {{"timing", true}}}}));
  EXPECT_TRUE(plan.timings);
  ASSERT_READ(ReadText(json{{"baton", {{"timing", false}, {"timings", true}}}}));
  EXPECT_TRUE(plan.timings);
  ASSERT_READ(ReadText(json{{"baton", {{"timing", false}}}}));
  EXPECT_FALSE(plan.timings);
}

TEST_F(OpenAiRequest, TakesNothingButABooleanForThem) {
  for (const char* name : {"timings", "timing", "trace"}) {
    for (const json& value : {json(1), json("true"), json::object(), json("/etc/passwd")}) {
      const auto error = ReadText(json{{"baton", {{name, value}}}});
      ASSERT_TRUE(error.has_value()) << name << value;
      EXPECT_EQ(error->param, std::string("baton.") + name);
    }
  }
}

TEST_F(OpenAiRequest, ReadsWhatARequestMayWishOfItsServing) {
  ASSERT_READ(ReadText(json{{"baton",
                             {{"ttft_slo_ms", 250},
                              {"tpot_slo_ms", 12.5},
                              {"priority", -2},
                              {"session", "s1"},
                              {"cache_salt", "pepper"}}}}));
  EXPECT_EQ(plan.slo.ttft, std::chrono::milliseconds(250));
  EXPECT_EQ(plan.slo.tpot, std::chrono::microseconds(12'500));
  EXPECT_EQ(plan.priority, -2);
  EXPECT_EQ(plan.session, "s1");
  EXPECT_EQ(plan.cache_salt, "pepper");
  ASSERT_READ(ReadText(json{{"cache_salt", "salt"}}));
  EXPECT_EQ(plan.cache_salt, "salt");
}

TEST_F(OpenAiRequest, NamesWishesThatCannotBe) {
  for (const json& wish : {json{{"ttft_slo_ms", 0}}, json{{"ttft_slo_ms", "fast"}},
                           json{{"tpot_slo_ms", -1}}, json{{"session", 7}},
                           json{{"session", std::string(257, 's')}}, json{{"cache_salt", true}}}) {
    const auto error = ReadText(json{{"baton", wish}});
    ASSERT_TRUE(error.has_value()) << wish;
    EXPECT_EQ(error->param, "baton." + wish.begin().key());
    EXPECT_THAT(error->message, HasSubstr("'baton." + wish.begin().key() + "'"));
  }
}

TEST_F(OpenAiRequest, ReadsBiasesInTheOrderOfTokens) {
  ASSERT_READ(ReadText(json{{"logit_bias", {{"100", -5}, {"20", 1.5}}}}));
  EXPECT_THAT(plan.sampling.logit_bias, ElementsAre(LogitBias{20, 1.5f}, LogitBias{100, -5.0f}));
}

TEST_F(OpenAiRequest, NamesBiasesThatCannotBe) {
  for (const json& biases : {json{{"x", 1}}, json{{"-1", 1}}, json{{"5 ", 1}}, json{{"5", "1"}},
                             json{{"5", 101}}, json{{"5000", 1}}, json::array({1})}) {
    const auto error = ReadText(json{{"logit_bias", biases}});
    ASSERT_TRUE(error.has_value()) << biases;
    EXPECT_EQ(error->param, "logit_bias") << biases;
  }
}

TEST_F(OpenAiRequest, ReadsWhatTheOutputMustBe) {
  const json schema{{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}};
  const json formats[] = {
      {{"response_format", {{"type", "json_object"}}}},
      {{"response_format",
        {{"type", "json_schema"}, {"json_schema", {{"name", "x"}, {"schema", schema}}}}}},
      {{"guided_json", schema}},
      {{"guided_json", schema.dump()}},
      {{"guided_regex", "a+b"}},
      {{"guided_choice", {"yes", "no"}}},
      {{"guided_grammar", "root ::= \"a\""}},
      {{"structured_outputs", {{"regex", "[0-9]+"}}}},
  };
  for (const json& format : formats) {
    ASSERT_READ(ReadText(format));
    EXPECT_NE(plan.grammar, "") << format;
  }
  ASSERT_READ(ReadText(json{{"response_format", {{"type", "text"}}}}));
  EXPECT_EQ(plan.grammar, "");
}

TEST_F(OpenAiRequest, NamesWhatNoOutputCanBeHeldTo) {
  const json wrong = {{"type", "wrong"}};
  const std::pair<json, std::string> cases[] = {
      {{{"response_format", "json"}}, "response_format"},
      {{{"response_format", {{"type", "yaml"}}}}, "response_format.type"},
      {{{"response_format", {{"type", "json_schema"}}}}, "response_format.json_schema"},
      {{{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", wrong}}}}}},
       "response_format.json_schema.schema"},
      {{{"guided_regex", "("}}, "guided_regex"},
      {{{"guided_choice", {1, 2}}}, "guided_choice"},
      {{{"guided_grammar", "root ::= nowhere"}}, "guided_grammar"},
      {{{"structured_outputs", {{"regex", 5}}}}, "structured_outputs.regex"},
      {{{"guided_regex", "a"}, {"guided_choice", {"b"}}}, "guided_choice"},
  };
  for (const auto& [fields, param] : cases) {
    const auto error = ReadText(fields);
    ASSERT_TRUE(error.has_value()) << fields;
    EXPECT_EQ(error->param, param) << error->message;
  }
}

TEST_F(OpenAiRequest, GeneratesMoreThanItAnswersForBestOf) {
  ASSERT_READ(ReadText(json{{"n", 2}, {"best_of", 3}}));
  EXPECT_EQ(plan.choices, 2);
  EXPECT_EQ(plan.candidates, 3);
  EXPECT_EQ(plan.sampling.logprobs, 0) << "what the candidates are judged by";
  EXPECT_FALSE(plan.show_logprobs);
}

TEST_F(OpenAiRequest, RefusesUnknownFieldsOfItsOwn) {
  const auto error = ReadText(json{{"baton", {{"turbo", true}}}});

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->param, "baton.turbo");
}

TEST_F(OpenAiRequest, SaysThatAModelWithoutATemplateCannotChat) {
  chat_template.reset();
  const auto error = ReadChat(json::object());

  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->message, HasSubstr("no chat template"));
}

TEST_F(OpenAiRequest, RefusesAnotherModelWithItsName) {
  const auto error = ReadText(json{{"model", "gpt-9"}});

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 404);
  EXPECT_EQ(error->code, "model_not_found");
  EXPECT_THAT(error->message, HasSubstr("'tiny'"));
}

TEST_F(OpenAiRequest, RefusesBodiesThatAreNoJsonObjectsInUtf8) {
  const std::string deep = "{\"prompt\":" + std::string(100, '[') + std::string(100, ']') + "}";
  std::string wide = "{\"prompt\":\"a\"";
  for (int i = 0; i < 1000; ++i) wide += ",\"k" + std::to_string(i) + "\":1";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("nul"),
        std::string("{\"prompt\":\"\xff\"}"), std::string("{\"prompt\":\"\\ud800\"}"),
        std::string("{\"seed\":1e999,\"prompt\":\"a\"}"), std::string("{\"seed\":NaN}"),
        std::string("{\"prompt\":\"a\"} x"), deep, wide + "}"}) {
    const auto error = ReadText(body);
    ASSERT_TRUE(error.has_value()) << body.substr(0, 40);
    EXPECT_EQ(error->status, 400) << body.substr(0, 40);
  }
}

struct BadField {
  bool chat;
  json fields;
  std::string param;
};

class BadFields : public OpenAiRequest, public testing::WithParamInterface<BadField> {};

TEST_P(BadFields, AreRefusedByName) {
  const BadField& bad = GetParam();
  const auto error = bad.chat ? ReadChat(bad.fields) : ReadText(bad.fields);

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 400);
  EXPECT_EQ(error->param, bad.param);
}

json UserSays(const json& content) {
  return {{"messages", {{{"role", "user"}, {"content", content}}}}};
}

INSTANTIATE_TEST_SUITE_P(
    Text, BadFields,
    testing::Values(
        BadField{false, {{"prompt", nullptr}}, "prompt"},
        BadField{false, {{"prompt", ""}}, "prompt"},
        BadField{false, {{"prompt", json::array()}}, "prompt"},
        BadField{false, {{"prompt", {1, 99999}}}, "prompt"},
        BadField{false, {{"prompt", {1, "a"}}}, "prompt"},
        BadField{false, {{"prompt", {"a", 1}}}, "prompt"},
        BadField{false, {{"prompt", {{"a", 1}}}}, "prompt"},
        BadField{false, {{"prompt", {-1}}}, "prompt"},
        BadField{false, {{"prompt", json(std::vector<std::string>(65, "a"))}}, "prompt"},
        BadField{false, {{"temperature", "hot"}}, "temperature"},
        BadField{false, {{"temperature", -1}}, "temperature"},
        BadField{false, {{"temperature", 1e300}}, "temperature"},
        BadField{false, {{"top_p", 0}}, "top_p"}, BadField{false, {{"top_p", 1.5}}, "top_p"},
        BadField{false, {{"min_p", 2}}, "min_p"}, BadField{false, {{"top_k", -2}}, "top_k"},
        BadField{false, {{"top_k", 1.5}}, "top_k"}, BadField{false, {{"n", 0}}, "n"},
        BadField{false, {{"n", 17}}, "n"}, BadField{false, {{"n", true}}, "n"},
        BadField{false, {{"max_tokens", 0}}, "max_tokens"},
        BadField{false, {{"max_tokens", 4294967297}}, "max_tokens"},
        BadField{false, {{"min_tokens", 17}}, "min_tokens"},
        BadField{false, {{"seed", 1.5}}, "seed"}, BadField{false, {{"seed", "1"}}, "seed"},
        BadField{false, {{"frequency_penalty", 3}}, "frequency_penalty"},
        BadField{false, {{"presence_penalty", -3}}, "presence_penalty"},
        BadField{false, {{"repetition_penalty", 0}}, "repetition_penalty"},
        BadField{false, {{"stop_token_ids", {260}}}, "stop_token_ids"},
        BadField{false, {{"stop", 5}}, "stop"}, BadField{false, {{"stop", {1}}}, "stop"},
        BadField{false, {{"stop", std::string(1025, 'x')}}, "stop"},
        BadField{false, {{"logprobs", 21}}, "logprobs"},
        BadField{false, {{"logprobs", true}}, "logprobs"},
        BadField{false, {{"stream", true}, {"prompt_logprobs", 1}}, "prompt_logprobs"},
        BadField{false, {{"prompt_logprobs", 21}}, "prompt_logprobs"},
        BadField{false, {{"max_tokens", 0}}, "max_tokens"},
        BadField{false, {{"suffix", "x"}}, "suffix"},
        BadField{false, {{"n", 2}, {"best_of", 1}}, "best_of"},
        BadField{false, {{"stream", true}, {"best_of", 2}}, "best_of"},
        BadField{false, {{"stream", "yes"}}, "stream"},
        BadField{false, {{"stream_options", {{"include_usage", true}}}}, "stream_options"},
        BadField{false,
                 {{"stream", true}, {"stream_options", {{"include_usage", 1}}}},
                 "stream_options.include_usage"},
        BadField{false, {{"logit_bias", {{"50256", -100}}}}, "logit_bias"},
        BadField{false, {{"guided_json", {{"type", "odd"}}}}, "guided_json"},
        BadField{false, {{"baton", 1}}, "baton"}, BadField{false, {{"model", 1}}, "model"}));

INSTANTIATE_TEST_SUITE_P(
    Chat, BadFields,
    testing::Values(
        BadField{true, {{"messages", nullptr}}, "messages"},
        BadField{true, {{"messages", json::array()}}, "messages"},
        BadField{true, {{"messages", {"Hi"}}}, "messages[0]"},
        BadField{true, {{"messages", {{{"content", "Hi"}}}}}, "messages[0].role"},
        BadField{true, {{"messages", {{{"role", "boss"}, {"content", "Hi"}}}}}, "messages[0].role"},
        BadField{true, UserSays(nullptr), "messages[0].content"},
        BadField{true, UserSays(5), "messages[0].content"},
        BadField{true, UserSays({{{"type", "image_url"}, {"image_url", {{"url", "x"}}}}}),
                 "messages[0].content"},
        BadField{true, {{"tools", {{{"type", "function"}}}}}, "tools[0].function"},
        BadField{true, {{"tool_choice", "required"}}, "tool_choice"},
        BadField{true, {{"response_format", {{"type", "xml"}}}}, "response_format.type"},
        BadField{true, {{"top_logprobs", 2}}, "top_logprobs"},
        BadField{true, {{"logprobs", 1}}, "logprobs"},
        BadField{true, {{"chat_template_kwargs", 1}}, "chat_template_kwargs"},
        BadField{true, {{"modalities", {"audio"}}}, "modalities"}));

TEST_F(OpenAiRequest, AcceptsWhatAsksForNothing) {
  ASSERT_READ(ReadChat({{"logit_bias", json::object()},
                        {"tools", json::array()},
                        {"tool_choice", "none"},
                        {"response_format", {{"type", "text"}}},
                        {"functions", nullptr},
                        {"n", 1.0},
                        {"modalities", {"text"}}}));
}

}  // namespace
}  // namespace baton::api
