#include "server_fixture.h"

namespace baton::http {
namespace {

using StreamTest = ServerTest;

TEST_F(StreamTest, StreamsATextCompletionTokenByToken) {
  backend.script = Says("abc");
  StartServer();

  const std::vector<json> chunks = Stream("/v1/completions", {{"prompt", "x"}, {"stream", true}});

  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0]["object"], "text_completion");
  EXPECT_EQ(chunks[0]["choices"], json::parse(R"([{"index":0,"text":"a","logprobs":null,
                                                   "finish_reason":null}])"));
  EXPECT_EQ(chunks[2]["choices"][0]["text"], "c");
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "length");
  EXPECT_FALSE(chunks[0].contains("usage"));
  EXPECT_EQ(chunks[0]["id"], chunks[2]["id"]);
}

TEST_F(StreamTest, OpensAChatWithTheRoleAndEndsItWithAnEmptyDelta) {
  backend.script = Says("ab");
  StartServer();

  const std::vector<json> chunks =
      Stream("/v1/chat/completions", {{"messages", kMessages}, {"stream", true}});

  ASSERT_EQ(chunks.size(), 4u);
  EXPECT_EQ(chunks[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(chunks[0]["choices"][0]["delta"], json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_EQ(chunks[1]["choices"][0]["delta"], json::parse(R"({"content":"a"})"));
  EXPECT_EQ(chunks[2]["choices"][0]["delta"], json::parse(R"({"content":"b"})"));
  EXPECT_TRUE(chunks[2]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(chunks[3]["choices"][0]["delta"], json::object());
  EXPECT_EQ(chunks[3]["choices"][0]["finish_reason"], "length");
}

TEST_F(StreamTest, EndsWithTheUsageWhenAsked) {
  backend.script = Says("ab");
  StartServer();

  const std::vector<json> chunks = Stream(
      "/v1/chat/completions",
      {{"messages", kMessages}, {"stream", true}, {"stream_options", {{"include_usage", true}}}});

  ASSERT_FALSE(chunks.empty());
  for (size_t i = 0; i + 1 < chunks.size(); ++i) EXPECT_TRUE(chunks[i]["usage"].is_null());
  EXPECT_EQ(chunks.back()["choices"], json::array());
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 2);
  EXPECT_EQ(chunks.back()["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST_F(StreamTest, SaysTheUsageUpToEachChunkWhenAsked) {
  backend.script = Says("ab");
  StartServer();

  const std::vector<json> chunks =
      Stream("/v1/completions",
             {{"prompt", "x"},
              {"stream", true},
              {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}});

  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0]["usage"]["completion_tokens"], 1);
  EXPECT_EQ(chunks[1]["usage"]["completion_tokens"], 2);
  EXPECT_EQ(chunks[2]["usage"]["total_tokens"], 3);
}

TEST_F(StreamTest, EndsWithTheTimingsWhenAsked) {
  backend.script = [](Started started) {
    started.sink->OnTimings({.ttft = std::chrono::milliseconds(7), .handoff = {}});
    started.Text("ab", FinishReason::kLength);
  };
  StartServer();
  const json asks = {{"timings", true}};

  const std::vector<json> chunks =
      Stream("/v1/completions", {{"prompt", "x"}, {"stream", true}, {"baton", asks}});

  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks.back()["choices"], json::array());
  EXPECT_EQ(chunks.back()["baton"],
            json::parse(R"({"admission_ms":0.0,"ttft_ms":7.0,"total_ms":0.0})"));
  EXPECT_FALSE(chunks.back().contains("usage"));
}

TEST_F(StreamTest, EndsWithUsageAndTimingsInOneChunk) {
  backend.script = [](Started started) {
    started.sink->OnTimings({.ttft = std::chrono::milliseconds(7), .handoff = {}});
    started.Text("ab", FinishReason::kLength);
  };
  StartServer();

  const std::vector<json> chunks =
      Stream("/v1/completions", {{"prompt", "x"},
                                 {"stream", true},
                                 {"stream_options", {{"include_usage", true}}},
                                 {"baton", {{"timings", true}}}});

  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 2);
  EXPECT_EQ(chunks.back()["baton"]["ttft_ms"], 7.0);
}

TEST_F(StreamTest, SendsEachEventInAChunkOfItsOwn) {
  backend.script = Says("abc");
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  client.ReadHead();

  int chunks = 0;
  while (const auto chunk = client.NextChunk()) {
    ++chunks;
    EXPECT_THAT(*chunk, testing::StartsWith("data: "));
    EXPECT_THAT(*chunk, testing::EndsWith("\n\n"));
    EXPECT_EQ(chunk->find("\n\n"), chunk->size() - 2);
  }
  EXPECT_EQ(chunks, 4);
}

TEST_F(StreamTest, SendsTheHeaderWithTheRouteBeforeTheFirstToken) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  Started started = backend.NextRequest();
  started.Route("local=d1");

  const HttpReply head = client.ReadHead();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("x-baton-route"), "local=d1");
  started.Text("a", FinishReason::kLength);
  EXPECT_EQ(client.AllEvents().back(), "[DONE]");
}

TEST_F(StreamTest, SendsTheHeaderWithoutARouteThatDoesNotCome) {
  options.route_wait = std::chrono::milliseconds(1);
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");

  EXPECT_EQ(client.ReadHead().status, 200);
}

TEST_F(StreamTest, CommentsWhileNoTokenComes) {
  options.keep_alive_interval = std::chrono::milliseconds(5);
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  Started started = backend.NextRequest();
  started.Route("local=d1");
  client.ReadHead();

  for (int i = 0; i < 3; ++i) {
    const auto event = client.NextEvent();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->comment, "keep-alive");
  }
  started.Text("a", FinishReason::kLength);
  EXPECT_EQ(client.AllEvents().size(), 2u);
}

TEST_F(StreamTest, ReportsAnErrorAsAnEventAndCloses) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  Started started = backend.NextRequest();
  started.Text("a");
  started.End(Unavailable("the decode worker is gone"));

  client.ReadHead();
  const std::vector<std::string> events = client.AllEvents();
  ASSERT_EQ(events.size(), 2u);
  const json error = json::parse(events[1])["error"];
  EXPECT_EQ(error["message"], "the decode worker is gone");
  EXPECT_EQ(error["type"], "server_error");
  EXPECT_TRUE(client.stream_complete());
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(StreamTest, NeverSendsTextThatAStopStringCutsOff) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true,"stop":["STOP"]})");
  Started started = backend.NextRequest();
  started.Text("a ST");
  started.Token('O');
  started.Token(kWideToken);

  // "a STO" and then "one STOP two": the first stop was a false alarm.
  EXPECT_EQ(backend.NextCancel(), started.request.id);
  client.ReadHead();
  std::string text;
  std::string finish;
  for (const std::string& event : client.AllEvents()) {
    if (event == "[DONE]") continue;
    const json choice = json::parse(event)["choices"][0];
    text += choice["text"].get<std::string>();
    if (choice["finish_reason"].is_string()) finish = choice["finish_reason"];
  }
  EXPECT_EQ(text, "a STOone ");
  EXPECT_EQ(finish, "stop");
}

TEST_F(StreamTest, KeepsCharactersWhole) {
  backend.script = Says("\u20ac\U0001F600");
  StartServer();

  const std::vector<json> chunks = Stream("/v1/completions", {{"prompt", "x"}, {"stream", true}});

  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0]["choices"][0]["text"], "\u20ac");
  EXPECT_EQ(chunks[1]["choices"][0]["text"], "\U0001F600");
}

TEST_F(StreamTest, StreamsSeveralChoicesByIndex) {
  backend.script = Says("ab");
  StartServer();

  std::vector<std::string> texts(3);
  for (const json& chunk :
       Stream("/v1/completions", {{"prompt", "x"}, {"n", 3}, {"stream", true}, {"echo", true}})) {
    const json& choice = chunk["choices"][0];
    texts[choice["index"].get<size_t>()] += choice["text"].get<std::string>();
  }
  EXPECT_THAT(texts, ElementsAre("xab", "xab", "xab"));
}

TEST_F(StreamTest, CarriesLogprobsAndTokenIdsWithTheirText) {
  backend.script = Says("\xC3\xA9");
  StartServer();

  const std::vector<json> chunks = Stream(
      "/v1/chat/completions",
      {{"messages", kMessages}, {"stream", true}, {"logprobs", true}, {"return_token_ids", true}});

  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[1]["choices"][0]["logprobs"]["content"].size(), 2u);
  EXPECT_EQ(chunks[1]["choices"][0]["token_ids"], json({0xC3, 0xA9}));
  EXPECT_TRUE(chunks[2]["choices"][0]["logprobs"].is_null());
}

TEST_F(StreamTest, EndsAStreamForHttp10WithTheConnection) {
  backend.script = Says("ab");
  StartServer();
  HttpClient client(server->port());
  const std::string body = R"({"prompt":"x","stream":true})";
  client.SendRaw("POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body);

  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.Header("transfer-encoding"), "");
  EXPECT_THAT(reply.body, testing::EndsWith("data: [DONE]\n\n"));
}

TEST_F(StreamTest, LeavesTheConnectionUsable) {
  backend.script = Says("ab");
  StartServer();
  HttpClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
    EXPECT_EQ(client.ReadHead().status, 200);
    EXPECT_EQ(client.AllEvents().back(), "[DONE]");
  }
}

}  // namespace
}  // namespace baton::http
