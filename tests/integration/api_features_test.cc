#include <algorithm>
#include <csignal>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/http_client.h"
#include "support/served_baton.h"

/// Every feature of the API answers the same bytes whether prefill and decode are split or not.
namespace baton::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// A body, or the events of a stream, without what no two answers share.
struct Answer {
  int status = 0;
  std::vector<json> parts;
  /// A stream came to its [DONE].
  bool done = false;
};

json WithoutIdentity(json part) {
  if (part.is_object())
    for (const char* name : {"id", "created", "created_at", "completed_at", "item_id", "call_id",
                             "request_id", "baton"})
      part.erase(name);
  if (part.is_structured())
    for (json& member : part) member = WithoutIdentity(std::move(member));
  return part;
}

constexpr char kResponses[] = "/v1/responses";
constexpr char kMessages[] = "/v1/messages";

/// Which choice a part is about; those about none come last.
int ChoiceOf(const json& part) {
  const auto choices = part.find("choices");
  if (choices == part.end() || choices->empty()) return std::numeric_limits<int>::max();
  return (*choices)[0]["index"];
}

Answer Ask(uint16_t port, const std::string& path, const json& body) {
  HttpClient client(port, std::chrono::seconds(60));
  Answer answer;
  if (!body.value("stream", false)) {
    const HttpReply reply = client.Post(path, body.dump());
    answer.status = reply.status;
    answer.parts.push_back(WithoutIdentity(json::parse(reply.body)));
    return answer;
  }
  client.Send("POST", path, body.dump());
  HttpReply head = client.ReadHead();
  answer.status = head.status;
  for (const std::string& event : client.AllEvents()) {
    if (event == "[DONE]") {
      answer.done = true;
    } else {
      answer.parts.push_back(WithoutIdentity(json::parse(event)));
    }
  }
  // How the chunks of several choices interleave is a matter of time.
  std::stable_sort(answer.parts.begin(), answer.parts.end(),
                   [](const json& a, const json& b) { return ChoiceOf(a) < ChoiceOf(b); });
  return answer;
}

/// The text of choice `index`, of a whole answer or a stream.
std::string TextOf(const Answer& answer, int index = 0) {
  std::string text;
  for (const json& part : answer.parts) {
    for (const json& choice : part.value("choices", json::array())) {
      if (choice["index"] != index) continue;
      if (choice.contains("text")) text += choice["text"].get<std::string>();
      for (const char* name : {"message", "delta"})
        if (choice.contains(name) && choice[name].value("content", json()).is_string())
          text += choice[name]["content"].get<std::string>();
    }
  }
  return text;
}

struct Feature {
  std::string name;
  std::string path;
  json body;
  /// Looks for what the feature does to an answer.
  std::function<void(const Answer&)> check;

  friend std::ostream& operator<<(std::ostream& out, const Feature& f) { return out << f.name; }
};

constexpr char kText[] = "/v1/completions";
constexpr char kChat[] = "/v1/chat/completions";

/// `fields` over a body that is greedy and short.
json Text(const json& fields = json::object()) {
  json body{{"prompt", "Once upon a time there was a"}, {"max_tokens", 12}, {"temperature", 0}};
  body.update(fields);
  return body;
}

json Chat(const json& fields = json::object()) {
  json body{{"messages", {{{"role", "user"}, {"content", "What is the capital of France?"}}}},
            {"max_tokens", 12},
            {"temperature", 0}};
  body.update(fields);
  return body;
}

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
  json body = Chat(
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
      {"Text", kText, Text(), answered},
      {"TextStream", kText, Text({{"stream", true}}),
       [](const Answer& answer) {
         EXPECT_TRUE(answer.done);
         EXPECT_NE(TextOf(answer), "");
       }},
      {"Chat", kChat, Chat(), answered},
      {"ChatStream", kChat, Chat({{"stream", true}}), answered},
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
      {"Seeded", kText, Text({{"temperature", 1}, {"seed", 11}}), answered},
      {"Filters", kText,
       Text({{"temperature", 1.5}, {"seed", 5}, {"top_k", 40}, {"top_p", 0.9}, {"min_p", 0.01}}),
       answered},
      {"Penalties", kText,
       Text({{"repetition_penalty", 1.3}, {"presence_penalty", 1}, {"frequency_penalty", 0.5}}),
       answered},
      {"Several", kText, Text({{"n", 3}, {"temperature", 1}, {"seed", 3}}),
       [](const Answer& answer) {
         std::set<std::string> texts;
         for (size_t i = 0; i < 3; ++i) {
           EXPECT_EQ(Choice(answer, i)["index"], i);
           texts.insert(Choice(answer, i)["text"]);
         }
         EXPECT_EQ(texts.size(), 3u);
       }},
      {"SeveralPrompts", kText, Text({{"prompt", {"One", "Two"}}, {"n", 2}, {"stream", true}}),
       [](const Answer& answer) { EXPECT_NE(TextOf(answer, 3), ""); }},
      {"BestOf", kText, Text({{"best_of", 4}, {"temperature", 1}, {"seed", 3}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["choices"].size(), 1u);
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 48);
       }},
      {"Logprobs", kText, Text({{"logprobs", 5}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["logprobs"]["tokens"].size(), 12u);
         EXPECT_GE(Choice(answer)["logprobs"]["top_logprobs"][0].size(), 5u);
       }},
      {"ChatLogprobs", kChat, Chat({{"logprobs", true}, {"top_logprobs", 5}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["logprobs"]["content"][0]["top_logprobs"].size(), 5u);
       }},
      {"ChatLogprobsStream", kChat, Chat({{"logprobs", true}, {"stream", true}}), answered},
      {"Echo", kText, Text({{"echo", true}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::StartsWith("Once upon a time"));
       }},
      {"EchoLogprobs", kText, Text({{"echo", true}, {"logprobs", 2}}),
       [](const Answer& answer) {
         const json& logprobs = Choice(answer)["logprobs"];
         const size_t prompt = answer.parts.at(0)["usage"]["prompt_tokens"];
         ASSERT_EQ(logprobs["tokens"].size(), prompt + 12);
         EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
         EXPECT_LT(logprobs["token_logprobs"][1], 0);
         EXPECT_EQ(logprobs["text_offset"][prompt], Text()["prompt"].get<std::string>().size());
       }},
      {"EchoLogprobsStream", kText, Text({{"echo", true}, {"logprobs", 2}, {"stream", true}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::StartsWith("Once upon a time"));
       }},
      {"Score", kText, Text({{"echo", true}, {"logprobs", 0}, {"max_tokens", 0}}),
       [](const Answer& answer) {
         EXPECT_EQ(TextOf(answer), Text()["prompt"]);
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 0);
         EXPECT_EQ(Choice(answer)["finish_reason"], "length");
       }},
      {"PromptLogprobs", kText, Text({{"prompt_logprobs", 3}}),
       [](const Answer& answer) {
         const json& tokens = Choice(answer)["prompt_logprobs"];
         ASSERT_EQ(tokens.size(), answer.parts.at(0)["usage"]["prompt_tokens"]);
         EXPECT_TRUE(tokens[0].is_null());
         EXPECT_GE(tokens[1].size(), 3u);
       }},
      {"ChatPromptLogprobs", kChat, Chat({{"prompt_logprobs", 0}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["prompt_logprobs"].size(),
                   answer.parts.at(0)["usage"]["prompt_tokens"]);
       }},
      {"Stop", kText, Text({{"stop", {" ", "."}}, {"max_tokens", 40}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["finish_reason"], "stop");
         EXPECT_EQ(TextOf(answer).find(' '), std::string::npos);
       }},
      {"StopInOutput", kText,
       Text({{"stop", " "}, {"include_stop_str_in_output", true}, {"max_tokens", 40}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::EndsWith(" ")); }},
      {"IgnoreEos", kText, Text({{"ignore_eos", true}, {"max_tokens", 64}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 64);
       }},
      {"MinTokens", kChat, Chat({{"min_tokens", 20}, {"max_tokens", 21}}),
       [](const Answer& answer) {
         EXPECT_GE(answer.parts.at(0)["usage"]["completion_tokens"], 20);
       }},
      {"Usage", kText,
       Text({{"stream", true},
             {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.back()["usage"]["completion_tokens"], 12);
         EXPECT_EQ(answer.parts.front()["usage"]["completion_tokens"], 1);
       }},
      {"LogitBias", kText, Text({{"logit_bias", {{"100", 100}}}, {"return_token_ids", true}}),
       [](const Answer& answer) {
         EXPECT_EQ(Choice(answer)["token_ids"], json(std::vector<int>(12, 100)));
       }},
      {"JsonObject", kChat, Chat({{"response_format", {{"type", "json_object"}}}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::StartsWith("{")); }},
      {"JsonSchema", kChat,
       Chat({{"max_tokens", 500},
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
      {"Regex", kText, Text({{"guided_regex", "[0-9]{3}-[0-9]{4}"}, {"max_tokens", 30}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::MatchesRegex("[0-9][0-9][0-9]-[0-9][0-9][0-9][0-9]"));
       }},
      {"Choices", kText,
       Text({{"guided_choice", {"alpha", "beta", "gamma"}}, {"temperature", 1}, {"seed", 4}}),
       [](const Answer& answer) {
         EXPECT_THAT(TextOf(answer), testing::AnyOf("alpha", "beta", "gamma"));
       }},
      {"Grammar", kText,
       Text({{"guided_grammar", "root ::= \"x\" (\"y\" root \"z\")?"}, {"stream", true}}),
       [](const Answer& answer) { EXPECT_THAT(TextOf(answer), testing::StartsWith("x")); }},
      {"TokenIds", kText, Text({{"return_token_ids", true}}),
       [](const Answer& answer) { EXPECT_EQ(Choice(answer)["token_ids"].size(), 12u); }},
      {"TokensIn", kText, Text({{"prompt", {5, 6, 7, 8}}}), answered},
      {"Session", kText, Text({{"baton", {{"session", "s"}, {"ttft_slo_ms", 60'000}}}}), answered},
      {"ContextExceeded", kText, Text({{"max_tokens", 5000}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.status, 400);
         EXPECT_EQ(answer.parts.at(0)["error"]["code"], "context_length_exceeded");
       }},
      {"TooManyLogprobs", kText, Text({{"logprobs", 21}}),
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
       Chat({{"max_tokens", 60},
             {"tool_choice", {{"type", "any"}}},
             {"tools", {{{"name", "get_weather"}, {"input_schema", {{"type", "object"}}}}}}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.at(0)["content"][0]["name"], "get_weather");
       }},
      {"Message", kMessages, Chat({{"stop_sequences", {"#", " "}}}),
       [](const Answer& answer) { EXPECT_EQ(answer.parts.at(0)["stop_sequence"], " "); }},
      {"MessageStream", kMessages, Chat({{"stream", true}}),
       [](const Answer& answer) {
         EXPECT_EQ(answer.parts.front()["type"], "message_start");
         EXPECT_EQ(answer.parts.back()["type"], "message_stop");
       }},
      {"CountTokens", "/v1/messages/count_tokens", Chat(),
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

/// The deployments that a case has to hold in.
class ApiEdges : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ServedOptions options;
    if (GetParam() == "Mixed") options = {.prefill = 0, .decode = 0, .mixed = 1};
    server_ = std::make_unique<ServedBaton>(options);
    ASSERT_TRUE(server_->WaitReady());
  }
  uint16_t port() const { return server_->port(); }
  /// The worker that draws the first token, and the one that draws the others.
  std::string prefill() const { return GetParam() == "Mixed" ? "m0" : "p0"; }
  std::string decode() const { return GetParam() == "Mixed" ? "m0" : "d0"; }
  void Restart(const std::string& worker) {
    const pid_t before = server_->WorkerPid(worker);
    ASSERT_EQ(kill(before, SIGKILL), 0);
    ASSERT_TRUE(ServedBaton::Until(
        [&] {
          const pid_t now = server_->WorkerPid(worker);
          return now > 0 && now != before && HttpGet(port(), "/readyz").status == 200;
        },
        std::chrono::seconds(60)));
  }

  std::unique_ptr<ServedBaton> server_;
};

TEST_P(ApiEdges, ServeAPromptShorterThanABlock) {
  const Answer answer = Ask(port(), kText, Text({{"prompt", {5}}}));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.parts.at(0)["usage"]["prompt_tokens"], 1);
  EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 12);
}

TEST_P(ApiEdges, EndWithTheFirstTokenWhenItIsAStop) {
  const json first = Ask(port(), kText, Text({{"return_token_ids", true}})).parts.at(0);
  const json token = first["choices"][0]["token_ids"][0];

  const Answer answer = Ask(port(), kText, Text({{"stop_token_ids", {token}}}));

  EXPECT_EQ(answer.parts.at(0)["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 1);
  EXPECT_EQ(TextOf(answer), "");
}

TEST_P(ApiEdges, StreamWhatAWholeAnswerSays) {
  for (const char* path : {kText, kChat}) {
    json body = path == kText ? Text() : Chat();
    body.update({{"n", 2}, {"temperature", 1}, {"seed", 9}, {"max_tokens", 60}});
    const Answer whole = Ask(port(), path, body);
    body["stream"] = true;
    const Answer stream = Ask(port(), path, body);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(TextOf(stream, i), TextOf(whole, i));
  }
}

TEST_P(ApiEdges, StreamOneIdOneRoleAndOneFinishReasonPerChoice) {
  HttpClient client(port());
  client.Send("POST", kChat, Chat({{"stream", true}, {"n", 2}}).dump());
  client.ReadHead();
  std::set<std::string> ids;
  std::map<int, int> roles;
  std::map<int, int> finishes;
  std::set<int> seen;
  for (const std::string& event : client.AllEvents()) {
    if (event == "[DONE]") continue;
    const json chunk = json::parse(event);
    ids.insert(chunk["id"]);
    for (const json& choice : chunk["choices"]) {
      const int index = choice["index"];
      if (choice["delta"].contains("role")) {
        EXPECT_TRUE(seen.insert(index).second) << "not in the first chunk: " << chunk;
        ++roles[index];
      }
      finishes[index] += choice["finish_reason"].is_null() ? 0 : 1;
    }
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(roles, (std::map<int, int>{{0, 1}, {1, 1}}));
  EXPECT_EQ(finishes, (std::map<int, int>{{0, 1}, {1, 1}}));
}

TEST_P(ApiEdges, RefuseStreamOptionsWithoutAStream) {
  const Answer answer = Ask(port(), kText, Text({{"stream_options", {{"include_usage", true}}}}));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.parts.at(0)["error"]["param"], "stream_options");
}

TEST_P(ApiEdges, AnswerTheSameWhicheverWorkerHasThePrefixCached) {
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "the quick brown fox " + std::to_string(i) + " ";
  const json body = Text({{"prompt", prompt}, {"logprobs", 2}});
  const Answer cold = Ask(port(), kText, body);
  for (const std::string& worker : {prefill(), decode()}) {
    Restart(worker);
    const Answer half = Ask(port(), kText, body);
    EXPECT_EQ(half.status, 200) << half.parts.at(0);
    EXPECT_EQ(half.parts.at(0)["choices"], cold.parts.at(0)["choices"]) << worker;
    const Answer warm = Ask(port(), kText, body);
    EXPECT_EQ(warm.parts.at(0)["choices"], cold.parts.at(0)["choices"]);
    EXPECT_GT(warm.parts.at(0)["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  }
}

TEST_P(ApiEdges, SayInTheStreamThatAnEngineDied) {
  HttpClient client(port());
  client.Send("POST", kText,
              Text({{"stream", true}, {"max_tokens", 1900}, {"ignore_eos", true}}).dump());
  client.ReadHead();
  ASSERT_TRUE(client.NextEvent().has_value());
  kill(server_->WorkerPid(decode()), SIGKILL);

  const std::vector<std::string> events = client.AllEvents();

  ASSERT_FALSE(events.empty());
  EXPECT_NE(events.back(), "[DONE]");
  EXPECT_THAT(json::parse(events.back())["error"]["message"].get<std::string>(),
              HasSubstr(decode()));
}

TEST_P(ApiEdges, FreeEverythingThatTwoHundredClientsLeaveBehind) {
  std::vector<std::unique_ptr<HttpClient>> clients;
  const std::string body =
      Text({{"stream", true}, {"max_tokens", 1900}, {"ignore_eos", true}}).dump();
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<HttpClient>(port()));
    ASSERT_TRUE(clients.back()->Send("POST", kText, body));
  }
  ASSERT_EQ(clients.back()->ReadHead().status, 200);
  clients.clear();

  EXPECT_TRUE(server_->WaitIdle()) << server_->log();
  EXPECT_EQ(Ask(port(), kText, Text()).status, 200);
}

INSTANTIATE_TEST_SUITE_P(Deployments, ApiEdges, testing::Values("Split", "Mixed"),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace baton::test
