#include "server_fixture.h"

namespace baton::http {
namespace {

constexpr char kTemplate[] =
    "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}"
    "{% for m in messages %}{{ m.role }}:{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c | tojson }}{% endfor %}{% endfor %}"
    "{% if open %}<think>{% endif %}{# </think> #}";

const json kTool = {{"type", "function"},
                    {"function", {{"name", "f"}, {"parameters", {{"type", "object"}}}}}};

/// A model that calls tools as Hermes does, and thinks.
class ToolsTest : public ServerTest {
 protected:
  ToolsTest() {
    auto parsed = text::ChatTemplate::Parse(kTemplate);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    chat_template.emplace(*std::move(parsed));
    api_options.context_tokens = 4096;
    schema =
        OpenApiSchema::Load(BATON_SOURCE_DIR "/../shared/data/api/openapi.inference-subset.json");
  }
  json ToolChat(json more = json::object()) {
    json body = {{"messages", kMessages}, {"tools", {kTool}}};
    body.update(more);
    return body;
  }
  json Whole(const json& body) {
    const HttpReply reply = Chat(body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    json parsed = json::parse(reply.body);
    if (schema) {
      EXPECT_THAT(schema->Check("CreateChatCompletionResponse", parsed), IsEmpty()) << parsed;
    }
    return parsed;
  }
  /// The deltas of choice 0, and its finish reason as a last item.
  std::vector<json> Deltas(json body) {
    body["stream"] = true;
    std::vector<json> deltas;
    json finish;
    for (const json& chunk : Stream("/v1/chat/completions", body)) {
      if (schema) {
        EXPECT_THAT(schema->Check("CreateChatCompletionStreamResponse", chunk), IsEmpty()) << chunk;
      }
      deltas.push_back(chunk["choices"][0]["delta"]);
      finish = chunk["choices"][0]["finish_reason"];
    }
    deltas.push_back(finish);
    return deltas;
  }

  std::optional<OpenApiSchema> schema;
};

/// What a client that joins the deltas has in the end.
json Joined(const std::vector<json>& deltas) {
  json message = {{"content", ""}, {"reasoning", ""}, {"tool_calls", json::array()}};
  for (const json& delta : deltas) {
    if (!delta.is_object()) continue;
    for (const char* name : {"content", "reasoning"})
      if (delta.contains(name))
        message[name] = message[name].get<std::string>() + delta[name].get<std::string>();
    for (const json& call : delta.value("tool_calls", json::array())) {
      json& calls = message["tool_calls"];
      const size_t index = call["index"];
      if (index == calls.size()) {
        calls.push_back(call);
        calls.back().erase("index");
        continue;
      }
      json& arguments = calls[index]["function"]["arguments"];
      arguments = arguments.get<std::string>() + call["function"]["arguments"].get<std::string>();
    }
  }
  return message;
}

TEST_F(ToolsTest, AnswersWithCallsAlone) {
  backend.script =
      Says("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"\u00e9\"}}\n</tool_call>",
           FinishReason::kStop);
  StartServer();

  const json choice = Whole(ToolChat({{"include_stop_str_in_output", true}}))["choices"][0];

  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  const json& message = choice["message"];
  EXPECT_TRUE(message["content"].is_null());
  EXPECT_TRUE(message["refusal"].is_null());
  ASSERT_EQ(message["tool_calls"].size(), 1u);
  const json& call = message["tool_calls"][0];
  EXPECT_THAT(call["id"].get<std::string>(), testing::MatchesRegex("call_[a-z0-9]{24}"));
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"], json::parse(R"({"name":"f","arguments":"{\"a\": \"é\"}"})"));
}

TEST_F(ToolsTest, StreamsWhatItAnswersWhole) {
  backend.script = Says(
      "<think>\nHm.\n</think>\n\nWell: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
      "1}}\n</tool_call>\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>",
      FinishReason::kStop);
  StartServer();
  const json body = ToolChat({{"include_stop_str_in_output", true}});

  json whole = Whole(body)["choices"][0];
  const std::vector<json> deltas = Deltas(body);

  json streamed = Joined(deltas);
  for (json* calls : {&whole["message"]["tool_calls"], &streamed["tool_calls"]})
    for (json& call : *calls) call["id"] = "";
  EXPECT_EQ(streamed["tool_calls"], whole["message"]["tool_calls"]);
  EXPECT_EQ(streamed["tool_calls"].size(), 2u);
  EXPECT_EQ(streamed["content"], "Well:");
  EXPECT_EQ(whole["message"]["content"], "Well:");
  EXPECT_EQ(streamed["reasoning"], "Hm.");
  EXPECT_EQ(whole["message"]["reasoning"], "Hm.");
  EXPECT_EQ(whole["message"]["reasoning_content"], "Hm.");
  EXPECT_EQ(deltas.back(), "tool_calls");
}

TEST_F(ToolsTest, NamesACallOnceAndThenStreamsItsArguments) {
  backend.script = Says(R"(<tool_call>{"name":"f","arguments":{"a":1}})", FinishReason::kLength);
  StartServer();

  std::vector<json> calls;
  for (const json& delta : Deltas(ToolChat()))
    if (delta.is_object() && delta.contains("tool_calls")) calls.push_back(delta["tool_calls"][0]);

  ASSERT_EQ(calls.size(), 7u);
  EXPECT_EQ(calls[0]["function"]["name"], "f");
  EXPECT_EQ(calls[0]["type"], "function");
  for (size_t i = 1; i < calls.size(); ++i) {
    EXPECT_FALSE(calls[i].contains("id") || calls[i].contains("type"));
    EXPECT_FALSE(calls[i]["function"].contains("name"));
    EXPECT_EQ(calls[i]["index"], 0);
  }
}

TEST_F(ToolsTest, EndsTheRequestAtItsOnlyCall) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/chat/completions", ToolChat({{"parallel_tool_calls", false}}).dump());
  Started started = backend.NextRequest();
  started.Text(R"(<tool_call>{"name":"f","arguments":{}}</tool_call><tool_call>)");

  EXPECT_EQ(backend.NextCancel(), started.request.id);
  const json choice = json::parse(client.ReadReply().body)["choices"][0];
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
}

TEST_F(ToolsTest, LeavesCallsInTheTextWhenNoneMayBeMade) {
  const std::string text = R"(<tool_call>{"name":"f","arguments":{}}</tool_call>)";
  backend.script = Says(text);
  StartServer();

  const json choice = Whole(ToolChat({{"tool_choice", "none"}}))["choices"][0];
  EXPECT_EQ(choice["message"]["content"], text);
  EXPECT_EQ(choice["finish_reason"], "length");
}

TEST_F(ToolsTest, KeepsACallThatCannotBeReadAndCountsIt) {
  backend.script = Says("<tool_call>f(x)</tool_call>");
  StartServer();

  EXPECT_EQ(Whole(ToolChat())["choices"][0]["message"]["content"], "<tool_call>f(x)</tool_call>");

  double broken = 0;
  for (const auto& family : metrics.Collect().families)
    if (family.name == "baton_tool_calls_broken_total") broken = family.samples.at(0).value;
  EXPECT_EQ(broken, 1);
}

TEST_F(ToolsTest, SaysHowManyTokensWereReasoning) {
  backend.script = Says("ab</think>cd");
  StartServer();

  const json body = Whole({{"messages", kMessages}, {"chat_template_kwargs", {{"open", true}}}});
  EXPECT_EQ(body["choices"][0]["message"]["reasoning"], "ab");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "cd");
  EXPECT_EQ(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 10);
}

TEST_F(ToolsTest, LeavesReasoningOutWhenAsked) {
  backend.script = Says("<think>ab</think>cd");
  StartServer();

  const std::vector<json> deltas = Deltas({{"messages", kMessages}, {"include_reasoning", false}});
  EXPECT_EQ(deltas, (std::vector<json>{{{"role", "assistant"}, {"content", ""}},
                                       {{"content", "c"}},
                                       {{"content", "d"}},
                                       json::object(),
                                       "length"}));
}

TEST_F(ToolsTest, CountsToolsWhenItTokenizesAChat) {
  StartServer();
  const json with = json::parse(Post("/tokenize", ToolChat()).body);
  const json without = json::parse(Post("/tokenize", {{"messages", kMessages}}).body);

  EXPECT_EQ(with["count"].get<size_t>() - without["count"].get<size_t>(),
            std::string(R"([{"function": {"name": "f", "parameters": {"type": "object"}}, )"
                        R"("type": "function"}]<tool_call>)")
                .size());
}

}  // namespace
}  // namespace baton::http
