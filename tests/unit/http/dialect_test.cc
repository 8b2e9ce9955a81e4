#include "baton/api/dialect.h"

#include "server_fixture.h"

namespace baton::http {
namespace {

/// OpenAI's Responses and Anthropic's Messages.
class DialectTest : public ServerTest {
 protected:
  /// The events of a stream by name, each checked to say its name.
  std::vector<json> Events(const std::string& path, const json& body) {
    HttpClient client(server->port());
    client.Send("POST", path, body.dump());
    EXPECT_EQ(client.ReadHead().status, 200);
    std::vector<json> events;
    while (const auto chunk = client.NextChunk()) {
      const size_t line = chunk->find("\ndata: ");
      EXPECT_THAT(*chunk, testing::StartsWith("event: "));
      if (line == std::string::npos) return events;
      events.push_back(json::parse(chunk->substr(line + 7)));
      EXPECT_EQ(events.back()["type"], chunk->substr(7, line - 7));
    }
    EXPECT_TRUE(client.stream_complete());
    return events;
  }

  static std::vector<std::string> Types(const std::vector<json>& events) {
    std::vector<std::string> types;
    for (const json& event : events) types.push_back(event["type"]);
    return types;
  }

  /// What `dialect` writes of `deltas`, the last of which ends the output.
  std::vector<json> Write(const api::Dialect& dialect, const std::vector<api::ChoiceDelta>& deltas,
                          json* whole) {
    api::DialectRequest request;
    const auto writer =
        dialect.MakeWriter({.id = "1", .request_id = "r"}, frontend->model(), request);
    api::AnswerEvents events;
    writer->Begin(events);
    for (const api::ChoiceDelta& delta : deltas) writer->Push(delta, {}, events);
    writer->Finish({.usage = {}, .stop = nullptr}, events);
    *whole = json::parse(writer->Whole());
    std::vector<json> parsed;
    for (const api::AnswerEvent& event : events) parsed.push_back(json::parse(event.data));
    return parsed;
  }

  HttpReply Respond(const json& body) { return Post("/v1/responses", body); }
  HttpReply Message(json body) {
    if (!body.contains("messages")) body["messages"] = kMessages;
    if (!body.contains("max_tokens")) body["max_tokens"] = 5;
    return Post("/v1/messages", body);
  }
  json MessageErrorOf(const HttpReply& reply) {
    const json body = json::parse(reply.body);
    EXPECT_EQ(body["type"], "error");
    EXPECT_EQ(body["request_id"], reply.Header("x-request-id"));
    EXPECT_EQ(reply.Header("request-id"), reply.Header("x-request-id"));
    return body["error"];
  }
  std::string PromptOf(const Started& started) {
    return tokenizer->Decode(started.request.prompt, /*skip_special=*/true);
  }
};

/// An output that thinks, speaks and calls two functions.
std::vector<api::ChoiceDelta> Rich() {
  std::vector<api::ChoiceDelta> deltas(7);
  deltas[0].reasoning = "Hm";
  deltas[1].reasoning = "m";
  deltas[2].text = "Let me";
  deltas[3].text = " see";
  deltas[4].tool_calls = {{.index = 0, .id = "call_a", .name = "f", .arguments = "{\"x\""}};
  deltas[5].tool_calls = {{.index = 0, .arguments = ":1}"},
                          {.index = 1, .id = "call_b", .name = "g"}};
  deltas[6].tool_calls = {{.index = 1, .arguments = "{}"}};
  deltas[6].finish = FinishReason::kStop;
  return deltas;
}

TEST_F(DialectTest, AnswersAResponse) {
  backend.script = Says("abc");
  StartServer();

  const HttpReply reply =
      Respond({{"input", "Hi"}, {"max_output_tokens", 3}, {"metadata", {{"a", "b"}}}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.Header("x-baton-route"), "prefill=p0 decode=d1");
  const json response = json::parse(reply.body);
  EXPECT_EQ(response["object"], "response");
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "abc");
  EXPECT_EQ(response["metadata"], json({{"a", "b"}}));
  EXPECT_EQ(response["usage"]["input_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(response["usage"]["output_tokens"], 3);
}

TEST_F(DialectTest, ReadsTheItemsOfAResponseAsMessages) {
  StartServer();
  HttpClient client(server->port());
  client.Send(
      "POST", "/v1/responses",
      json{{"instructions", "Be brief"},
           {"input",
            {{{"role", "user"},
              {"content",
               {{{"type", "input_text"}, {"text", "a"}}, {{"type", "input_text"}, {"text", "b"}}}}},
             {{"type", "message"},
              {"role", "assistant"},
              {"content",
               {{{"type", "output_text"}, {"text", "c"}, {"annotations", json::array()}}}}},
             {{"role", "user"}, {"content", "d"}}}}}
          .dump());

  EXPECT_EQ(PromptOf(backend.NextRequest()), "system:Be briefuser:a\nbassistant:cuser:dassistant:");
}

TEST_F(DialectTest, NamesTheFieldsOfAResponseThatTheClientWrote) {
  StartServer();
  const auto param = [&](const json& body) {
    const HttpReply reply = Respond(body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    const json error = ErrorOf(reply);
    EXPECT_EQ(error["message"].get<std::string>().find("messages["), std::string::npos) << error;
    return error["param"].get<std::string>();
  };
  const auto item = [&](const json& one) {
    return param({{"instructions", "x"}, {"input", {{{"role", "user"}, {"content", "x"}}, one}}});
  };

  EXPECT_EQ(param(json::object()), "input");
  EXPECT_EQ(param({{"input", json::array()}}), "input");
  EXPECT_EQ(param({{"input", "x"}, {"instructions", 5}}), "instructions");
  EXPECT_EQ(item({{"role", "robot"}, {"content", "x"}}), "input[1].role");
  EXPECT_EQ(item({{"role", "user"}}), "input[1].content");
  EXPECT_EQ(item({{"role", "user"}, {"content", {{{"type", "input_image"}}}}}),
            "input[1].content[0]");
  EXPECT_EQ(item({{"type", "item_reference"}, {"id", "x"}}), "input[1].type");
  EXPECT_EQ(item({{"type", "function_call"}, {"name", "f"}, {"arguments", "{}"}}),
            "input[1].call_id");
  EXPECT_EQ(item({{"type", "function_call_output"}, {"call_id", "c"}, {"output", 3}}),
            "input[1].output");
  EXPECT_EQ(param({{"input", "x"}, {"max_output_tokens", 0}}), "max_output_tokens");
  EXPECT_EQ(param({{"input", "x"}, {"previous_response_id", "resp_1"}}), "previous_response_id");
  EXPECT_EQ(param({{"input", "x"}, {"background", true}}), "background");
  EXPECT_EQ(param({{"input", "x"}, {"conversation", "conv_1"}}), "conversation");
  EXPECT_EQ(param({{"input", "x"}, {"text", {{"format", {{"type", "xml"}}}}}}), "text.format.type");
  EXPECT_EQ(param({{"input", "x"}, {"tools", {{{"type", "web_search"}}}}}), "tools[0].type");
  EXPECT_EQ(param({{"input", "x"}, {"include", {"everything"}}}), "include");
  EXPECT_EQ(param({{"input", "x"}, {"truncation", "middle"}}), "truncation");
  EXPECT_EQ(param({{"input", std::string(300, 'x')}}), "input");
}

TEST_F(DialectTest, StoresNoResponseThoughAskedTo) {
  backend.script = Says("a", FinishReason::kStop);
  StartServer();

  const json response = json::parse(Respond({{"input", "Hi"}, {"store", true}}).body);

  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["store"], false);
}

TEST_F(DialectTest, StreamsAResponseAsTypedEventsInSequence) {
  backend.script = Says("ab");
  StartServer();

  const std::vector<json> events = Events("/v1/responses", {{"input", "Hi"}, {"stream", true}});

  EXPECT_THAT(Types(events),
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta",
                          "response.output_text.delta", "response.output_text.done",
                          "response.content_part.done", "response.output_item.done",
                          "response.incomplete"));
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["sequence_number"], i);
  EXPECT_EQ(events[6]["text"], "ab");
}

TEST_F(DialectTest, EndsAStreamedResponseThatFailsByAnEvent) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/responses", R"({"input":"x","stream":true})");
  Started started = backend.NextRequest();
  started.Text("a");
  started.End(Unavailable("the decode worker is gone"));

  client.ReadHead();
  const json last = json::parse(client.AllEvents().back());

  EXPECT_EQ(last["type"], "response.failed");
  EXPECT_EQ(last["response"]["status"], "failed");
  EXPECT_EQ(last["response"]["error"]["message"], "the decode worker is gone");
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(DialectTest, WritesReasoningTextAndCallsAsItemsOfAResponse) {
  StartServer();
  json whole;

  const std::vector<json> events = Write(api::ResponsesDialect(), Rich(), &whole);

  const json& output = whole["output"];
  ASSERT_EQ(output.size(), 4u);
  EXPECT_EQ(output[0]["content"][0]["text"], "Hmm");
  EXPECT_EQ(output[1]["content"][0]["text"], "Let me see");
  EXPECT_EQ(output[2]["call_id"], "call_a");
  EXPECT_EQ(output[2]["arguments"], "{\"x\":1}");
  EXPECT_EQ(output[3]["name"], "g");
  EXPECT_EQ(events.back()["response"], whole);
  std::map<size_t, std::string> streamed;
  for (const json& event : events)
    if (event.contains("delta"))
      streamed[event["output_index"]] += event["delta"].get<std::string>();
  EXPECT_THAT(streamed, ElementsAre(testing::Pair(0u, "Hmm"), testing::Pair(1u, "Let me see"),
                                    testing::Pair(2u, "{\"x\":1}"), testing::Pair(3u, "{}")));
}

TEST_F(DialectTest, WritesResponsesThatFitOpenAisSchema) {
  const auto schema =
      OpenApiSchema::Load(BATON_SOURCE_DIR "/../shared/data/api/openapi.inference-subset.json");
  if (!schema) GTEST_SKIP() << "OpenAI's API schema is not here";
  backend.script = Says("a\u20ac");
  StartServer();
  const json body = {{"input", "Hi"}, {"top_logprobs", 2}, {"user", "u"}};
  EXPECT_THAT(schema->Check("Response", json::parse(Respond(body).body)), IsEmpty());

  json streamed = body;
  streamed["stream"] = true;
  json whole;
  std::vector<json> events = Write(api::ResponsesDialect(), Rich(), &whole);
  // Without what a request was read for, a Response repeats nothing of it.
  for (json& event : events) event.erase("response");
  for (const json& event : Events("/v1/responses", streamed)) events.push_back(event);
  for (const json& event : events) {
    if (event.contains("response")) {
      EXPECT_THAT(schema->Check("Response", event["response"]), IsEmpty()) << event;
    } else if (event.size() > 2) {
      EXPECT_THAT(schema->Check("ResponseStreamEvent", event), IsEmpty()) << event;
    }
  }
}

TEST_F(DialectTest, AnswersAMessage) {
  backend.script = Says("abc");
  StartServer();

  const HttpReply reply = Message({{"max_tokens", 3}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  json message = json::parse(reply.body);
  EXPECT_THAT(message["id"].get<std::string>(), testing::StartsWith("msg_"));
  message.erase("id");
  EXPECT_EQ(message, json::parse(R"({"type":"message","role":"assistant","model":"tiny",
      "content":[{"type":"text","text":"abc"}],"stop_reason":"max_tokens","stop_sequence":null,
      "usage":{"input_tokens":16,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,
               "output_tokens":3}})"));
}

TEST_F(DialectTest, ReadsTheBlocksOfAMessage) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/messages",
              json{{"max_tokens", 5},
                   {"system", {{{"type", "text"}, {"text", "Be brief"}}}},
                   {"messages",
                    {{{"role", "user"}, {"content", "a"}},
                     {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "b"}}}}},
                     {{"role", "user"},
                      {"content",
                       {{{"type", "tool_result"}, {"tool_use_id", "t"}, {"content", "c"}},
                        {{"type", "text"}, {"text", "d"}},
                        {{"type", "text"}, {"text", "e"}}}}}}}}
                  .dump());

  EXPECT_EQ(PromptOf(backend.NextRequest()),
            "system:Be briefuser:aassistant:btool:cuser:d\neassistant:");
}

TEST_F(DialectTest, SaysWhichStopSequenceEndedAMessage) {
  backend.script = Says("one STOP two");
  StartServer();

  const json message =
      json::parse(Message({{"max_tokens", 20}, {"stop_sequences", {"x", "STOP"}}}).body);

  EXPECT_EQ(message["stop_reason"], "stop_sequence");
  EXPECT_EQ(message["stop_sequence"], "STOP");
  EXPECT_EQ(message["content"][0]["text"], "one ");
}

TEST_F(DialectTest, EndsTheTurnWhereTheModelDoes) {
  backend.script = Says("a", FinishReason::kStop);
  StartServer();

  EXPECT_EQ(json::parse(Message({}).body)["stop_reason"], "end_turn");
}

TEST_F(DialectTest, RefusesAMessageInAnthropicsShape) {
  StartServer();
  const auto message = [&](const json& body) {
    const HttpReply reply = Message(body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    const json error = MessageErrorOf(reply);
    EXPECT_EQ(error["type"], "invalid_request_error");
    return error["message"].get<std::string>();
  };
  const auto block = [&](const json& one) {
    return message({{"messages", {{{"role", "user"}, {"content", {one}}}}}});
  };

  EXPECT_THAT(message({{"max_tokens", nullptr}}), HasSubstr("'max_tokens' is missing"));
  EXPECT_THAT(message({{"messages", json::array()}}), HasSubstr("'messages'"));
  EXPECT_THAT(message({{"system", 3}}), HasSubstr("'system'"));
  EXPECT_THAT(block({{"type", "image"}}), HasSubstr("'messages[0].content[0]' is of type 'image'"));
  EXPECT_THAT(block({{"type", "text"}}), HasSubstr("'messages[0].content[0].text'"));
  EXPECT_THAT(message({{"stop_sequences", "x"}}), HasSubstr("'stop_sequences'"));
  EXPECT_THAT(message({{"tool_choice", {{"type", "some"}}}}), HasSubstr("'tool_choice.type'"));
  EXPECT_THAT(message({{"thinking", {{"type", "deep"}}}}), HasSubstr("'thinking.type'"));
  EXPECT_THAT(message({{"messages", {{{"role", "assistant"}, {"content", "x"}}}}}),
              HasSubstr("continuing it is not supported"));
}

TEST_F(DialectTest, SaysInAnthropicsShapeWhichModelIsNotThere) {
  StartServer();
  const HttpReply reply = Message({{"model", "claude"}});
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(MessageErrorOf(reply)["type"], "not_found_error");
}

TEST_F(DialectTest, StreamsAMessageAsEvents) {
  backend.script = Says("ab");
  StartServer();

  const std::vector<json> events =
      Events("/v1/messages", {{"messages", kMessages}, {"max_tokens", 2}, {"stream", true}});

  EXPECT_THAT(Types(events), ElementsAre("message_start", "content_block_start",
                                         "content_block_delta", "content_block_delta",
                                         "content_block_stop", "message_delta", "message_stop"));
  EXPECT_EQ(events[0]["message"]["content"], json::array());
  EXPECT_EQ(events[0]["message"]["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(events[3]["delta"], json::parse(R"({"type":"text_delta","text":"b"})"));
  EXPECT_EQ(events[5]["delta"]["stop_reason"], "max_tokens");
  EXPECT_EQ(events[5]["usage"]["output_tokens"], 2);
}

TEST_F(DialectTest, WritesThinkingTextAndUsesOfToolsAsBlocksOfAMessage) {
  StartServer();
  json whole;

  const std::vector<json> events = Write(api::MessagesDialect(), Rich(), &whole);

  EXPECT_EQ(whole["content"], json::parse(R"([
      {"type":"thinking","thinking":"Hmm","signature":""},
      {"type":"text","text":"Let me see"},
      {"type":"tool_use","id":"call_a","name":"f","input":{"x":1}},
      {"type":"tool_use","id":"call_b","name":"g","input":{}}])"));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  std::map<size_t, std::string> streamed;
  for (const json& event : events)
    if (event["type"] == "content_block_delta")
      for (const char* member : {"thinking", "text", "partial_json"})
        streamed[event["index"]] += event["delta"].value(member, "");
  EXPECT_THAT(streamed, ElementsAre(testing::Pair(0u, "Hmm"), testing::Pair(1u, "Let me see"),
                                    testing::Pair(2u, "{\"x\":1}"), testing::Pair(3u, "{}")));
}

TEST_F(DialectTest, PingsWhileNoTokenOfAMessageComes) {
  options.keep_alive_interval = std::chrono::milliseconds(5);
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/messages",
              json{{"messages", kMessages}, {"max_tokens", 2}, {"stream", true}}.dump());
  Started started = backend.NextRequest();
  started.Route("local=d1");
  client.ReadHead();

  EXPECT_EQ(client.NextChunk(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  started.Text("a", FinishReason::kLength);
  EXPECT_EQ(json::parse(client.AllEvents().back())["type"], "message_stop");
}

TEST_F(DialectTest, CountsTheTokensOfAMessage) {
  StartServer();
  const HttpReply reply = Post("/v1/messages/count_tokens", {{"messages", kMessages}});
  EXPECT_EQ(reply.body, R"({"input_tokens":20})");
  EXPECT_EQ(Post("/v1/messages/count_tokens", json::object()).status, 400);
}

TEST_F(DialectTest, EchoesTheRequestsIdInStreamsAndErrors) {
  backend.script = Says("a");
  StartServer();
  for (const char* path : {"/v1/responses", "/v1/messages", "/v1/chat/completions", "/nowhere"}) {
    for (const char* body : {R"({"input":"x","messages":[{"role":"user","content":"x"}],
                                 "max_tokens":2,"max_output_tokens":2,"stream":true})",
                             "{}"}) {
      HttpClient client(server->port());
      EXPECT_EQ(client.Post(path, body, {{"x-request-id", "mine-1"}}).Header("x-request-id"),
                "mine-1")
          << path;
    }
  }
}

}  // namespace
}  // namespace baton::http
