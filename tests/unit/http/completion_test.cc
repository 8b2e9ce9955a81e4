#include "server_fixture.h"

namespace baton::http {
namespace {

using CompletionTest = ServerTest;

TEST_F(CompletionTest, AnswersATextCompletionWhole) {
  backend.script = Says("world");
  StartServer();

  const HttpReply reply = Complete({{"model", "tiny"}, {"prompt", "Hi"}, {"max_tokens", 5}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  const json body = json::parse(reply.body);
  EXPECT_THAT(body["id"].get<std::string>(), testing::StartsWith("cmpl-"));
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["created"], clock.UnixSeconds());
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_EQ(body["system_fingerprint"], "fp_test");
  EXPECT_EQ(body["choices"], json::parse(R"([{"index":0,"text":"world","logprobs":null,
                                              "finish_reason":"length"}])"));
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens":2,"completion_tokens":5,
      "total_tokens":7,"prompt_tokens_details":{"cached_tokens":4}})"));
}

TEST_F(CompletionTest, AnswersAChatWhole) {
  backend.script = Says("Hello.", FinishReason::kLength);
  StartServer();

  const HttpReply reply = Chat({{"messages", kMessages}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  const json body = json::parse(reply.body);
  EXPECT_THAT(body["id"].get<std::string>(), testing::StartsWith("chatcmpl-"));
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["choices"],
            json::parse(R"([{"index":0,"message":{"role":"assistant","content":"Hello.",
                             "refusal":null},"logprobs":null,"finish_reason":"length"}])"));
}

TEST_F(CompletionTest, HandsTheTemplatedPromptToTheBackend) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/chat/completions",
              json{{"messages", kMessages}, {"seed", 7}, {"temperature", 0}}.dump());

  const Started started = backend.NextRequest();

  std::vector<TokenId> wanted = {kStartToken};
  for (const TokenId byte : Bytes("user:Hi")) wanted.push_back(byte);
  wanted.push_back(kEndToken);
  wanted.push_back(kStartToken);
  for (const TokenId byte : Bytes("assistant:")) wanted.push_back(byte);
  EXPECT_EQ(started.request.prompt, wanted);
  EXPECT_EQ(started.request.sampling.seed, 7u);
  EXPECT_EQ(started.request.sampling.temperature, 0.0f);
}

TEST_F(CompletionTest, AnswersTheLikeliestOfMoreCandidates) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions",
              json{{"prompt", "Hi"}, {"n", 2}, {"best_of", 3}, {"max_tokens", 1}}.dump());
  std::vector<Started> candidates;
  for (int i = 0; i < 3; ++i) candidates.push_back(backend.NextRequest());
  for (int i = 0; i < 3; ++i) {
    Started& candidate = candidates[static_cast<size_t>(i)];
    const bool worst = candidate.request.id.ends_with("-1");
    candidate.sink->OnToken({.token = candidate.request.id.back(),
                             .position = 2,
                             .finish = FinishReason::kLength,
                             .logprob = worst ? -9.0f : -static_cast<float>(3 - i)});
    candidate.End(OkStatus());
  }

  const json body = json::parse(client.ReadReply().body);

  ASSERT_EQ(body["choices"].size(), 2u);
  EXPECT_EQ(body["choices"][0]["text"], "2");
  EXPECT_EQ(body["choices"][0]["index"], 0);
  EXPECT_EQ(body["choices"][1]["text"], "0");
  EXPECT_TRUE(body["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(body["usage"]["completion_tokens"], 3) << "all candidates were generated";
}

TEST_F(CompletionTest, TellsTheLogprobsOfAPromptThatItEchoes) {
  StartServer();
  HttpClient client(server->port());
  client.Send(
      "POST", "/v1/completions",
      json{{"prompt", "\u00e9b"}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 1}}.dump());
  Started started = backend.NextRequest();
  EXPECT_EQ(started.request.sampling.prompt_logprobs, 1);
  // The prompt is three bytes, each of them a token.
  const auto prompt = std::make_shared<PromptLogprobs>(
      PromptLogprobs{{.logprob = -1, .rank = 2, .top = {{'z', -0.5f}}}, {.logprob = -2}});
  started.sink->OnToken({.token = 'c',
                         .position = 3,
                         .finish = FinishReason::kLength,
                         .logprob = -3.0f,
                         .prompt_logprobs = prompt});
  started.End(OkStatus());

  const json choice = json::parse(client.ReadReply().body)["choices"][0];

  EXPECT_EQ(choice["text"], "\u00e9bc");
  EXPECT_EQ(choice["logprobs"]["token_logprobs"], json({nullptr, -1, -2, -3}));
  EXPECT_EQ(choice["logprobs"]["text_offset"], json({0, 0, 1, 2}));
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][1]["z"], -0.5);
  EXPECT_FALSE(choice.contains("prompt_logprobs"));
}

TEST_F(CompletionTest, RefusesLogprobsOfAnotherPrompt) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", json{{"prompt", "ab"}, {"prompt_logprobs", 0}}.dump());
  Started started = backend.NextRequest();
  started.sink->OnToken({.token = 'x',
                         .position = 2,
                         .prompt_logprobs = std::make_shared<PromptLogprobs>(PromptLogprobs(5))});

  EXPECT_EQ(client.ReadReply().status, 500);
  EXPECT_EQ(backend.NextCancel(), started.request.id);
}

TEST_F(CompletionTest, ScoresAPromptWithoutGenerating) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions",
              json{{"prompt", "ab"}, {"prompt_logprobs", 0}, {"max_tokens", 0}}.dump());
  Started started = backend.NextRequest();
  const auto prompt = std::make_shared<PromptLogprobs>(PromptLogprobs{{.logprob = -1, .rank = 4}});
  started.sink->OnToken({.token = kNoToken,
                         .position = 2,
                         .finish = FinishReason::kLength,
                         .prompt_logprobs = prompt});
  started.End(OkStatus());

  const json body = json::parse(client.ReadReply().body);

  EXPECT_EQ(body["choices"][0]["text"], "");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["choices"][0]["prompt_logprobs"],
            json::parse(R"([null,{"98":{"logprob":-1.0,"rank":4,"decoded_token":"b"}}])"));
  EXPECT_EQ(body["usage"]["completion_tokens"], 0);
}

TEST_F(CompletionTest, KeepsCachedPrefixesOfDifferentSaltsApart) {
  StartServer();
  HttpClient client(server->port());
  const auto salt = [&](const json& fields) {
    json body = {{"prompt", "Hi"}, {"stream", true}};
    body.update(fields);
    HttpClient one(server->port());
    one.Send("POST", "/v1/completions", body.dump());
    return backend.NextRequest().request.cache_salt;
  };
  EXPECT_EQ(salt(json::object()), 0u);
  EXPECT_EQ(salt({{"cache_salt", "a"}}), salt({{"baton", {{"cache_salt", "a"}}}}));
  EXPECT_NE(salt({{"cache_salt", "a"}}), salt({{"cache_salt", "b"}}));
}

constexpr api::RequestTimings kTimings{
    .ttft = std::chrono::microseconds(23456),
    .admission = std::chrono::microseconds(1250),
    .handoff = api::RequestTimings::Handoff{.reserve = std::chrono::microseconds(5),
                                            .queued = std::chrono::milliseconds(1),
                                            .prefill = std::chrono::milliseconds(20),
                                            .transfer = std::chrono::microseconds(1500),
                                            .commit = std::chrono::microseconds(250)}};

TEST_F(CompletionTest, SaysWhereTheTimeWentWhenAsked) {
  backend.script = [](Started started) {
    started.sink->OnTimings(kTimings);
    started.Text("ok", FinishReason::kLength);
  };
  StartServer();

  const HttpReply reply = Complete({{"prompt", "Hi"}, {"baton", {{"timings", true}}}});

  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(json::parse(reply.body)["baton"],
            json::parse(R"({"reserve_ms":0.005,"queue_ms":1.0,"prefill_ms":20.0,
                            "transfer_ms":1.5,"commit_ms":0.25,"admission_ms":1.25,"ttft_ms":23.456,
                            "total_ms":0.0})"));
}

TEST_F(CompletionTest, SaysWhyItIsRefusedAndWhenToAskAgain) {
  backend.script = [](Started started) {
    started.sink->OnRefused(
        {.reason = "slo_unattainable", .retry_after = std::chrono::milliseconds(2100)});
    started.End(ResourceExhausted("too late"));
  };
  StartServer();

  const HttpReply reply = Complete({{"prompt", "Hi"}});

  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.Header("retry-after"), "3");
  EXPECT_EQ(ErrorOf(reply)["code"], "slo_unattainable");
  EXPECT_EQ(ErrorOf(reply)["type"], "rate_limit_error");
  EXPECT_EQ(ErrorOf(reply)["message"], "too late");
}

TEST_F(CompletionTest, AsksForTimingsOfTheFirstChoiceAndTracesOfAll) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions",
              R"({"prompt":"x","n":2,"temperature":1,"baton":{"timings":true,"trace":true}})");

  const Started first = backend.NextRequest();
  const Started second = backend.NextRequest();

  EXPECT_TRUE(first.request.timings);
  EXPECT_FALSE(second.request.timings);
  EXPECT_TRUE(first.request.trace && second.request.trace);
}

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_F(CompletionTest, PassesTheTraceOfItsClientOn) {
  StartServer();
  for (const char* path : {"/v1/completions", "/v1/messages"}) {
    HttpClient client(server->port());
    client.Send("POST", path,
                R"({"prompt":"x","max_tokens":1,)"
                R"("messages":[{"role":"user","content":"x"}]})",
                {{"Traceparent", kTraceparent}});
    const TraceContext context = backend.NextRequest().request.context;
    ASSERT_TRUE(context.valid()) << path;
    EXPECT_EQ(Traceparent(context), kTraceparent) << path;
  }
}

TEST_F(CompletionTest, NamesTheRouteAndTheRequestInHeaders) {
  backend.script = Says("x");
  StartServer();

  HttpClient client(server->port());
  const HttpReply reply =
      client.Post("/v1/completions", R"({"prompt":"a"})", {{"X-Request-Id", "mine-1"}});
  EXPECT_EQ(reply.Header("x-baton-route"), "prefill=p0 decode=d1");
  EXPECT_EQ(reply.Header("x-request-id"), "mine-1");
}

TEST_F(CompletionTest, ReplacesARequestIdThatIsNotSane) {
  StartServer();

  HttpClient client(server->port());
  const HttpReply reply = client.Get("/livez", {{"X-Request-Id", "a b\tc"}});
  EXPECT_EQ(reply.Header("x-request-id").size(), 32u);
}

TEST_F(CompletionTest, RunsEveryPromptNTimesWithSeedsOfTheirOwn) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions",
              json{{"prompt", {"a", "bc"}}, {"n", 2}, {"seed", 10}}.dump());

  for (const std::string text : {"w", "x", "y", "z"}) {
    Started started = backend.NextRequest();
    EXPECT_EQ(started.request.sampling.seed, text == "w" || text == "y" ? 10u : 11u);
    EXPECT_EQ(started.request.prompt.size(), text < "y" ? 1u : 2u);
    started.Text(text, FinishReason::kLength);
  }

  const json body = json::parse(client.ReadReply().body);
  ASSERT_EQ(body["choices"].size(), 4u);
  EXPECT_EQ(body["choices"][0]["text"], "w");
  EXPECT_EQ(body["choices"][3]["text"], "z");
  EXPECT_EQ(body["choices"][3]["index"], 3);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 3);
  EXPECT_EQ(body["usage"]["completion_tokens"], 4);
}

TEST_F(CompletionTest, EchoesThePrompt) {
  backend.script = Says("!");
  StartServer();

  const json body =
      json::parse(Complete({{"prompt", "Hi"}, {"echo", true}, {"max_tokens", 1}}).body);
  EXPECT_EQ(body["choices"][0]["text"], "Hi!");
}

TEST_F(CompletionTest, CancelsTheRequestOnceAStopStringMatched) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", json{{"prompt", "a"}, {"stop", "ND"}}.dump());
  Started started = backend.NextRequest();
  started.Text("one END two");

  EXPECT_EQ(backend.NextCancel(), started.request.id);
  const json body = json::parse(client.ReadReply().body);
  EXPECT_EQ(body["choices"][0]["text"], "one E");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["completion_tokens"], 7);
}

TEST_F(CompletionTest, GivesTextLogprobsInTheirOlderShape) {
  backend.script = Says("\xE2\x82\xAC!");
  StartServer();

  const json body = json::parse(Complete({{"prompt", "a"}, {"logprobs", 1}}).body);

  const json& logprobs = body["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], json({"bytes:\\xe2", "bytes:\\x82", "bytes:\\xac", "!"}));
  EXPECT_EQ(logprobs["text_offset"], json({0, 0, 0, 1}));
  EXPECT_FLOAT_EQ(logprobs["token_logprobs"][3].get<float>(), -0.33f);
  EXPECT_EQ(logprobs["top_logprobs"][3].size(), 2u);
  EXPECT_EQ(logprobs["top_logprobs"][3]["A"], -0.5);
}

TEST_F(CompletionTest, GivesChatLogprobsWithBytes) {
  backend.script = Says("\xC3\xA9");
  StartServer();

  const json body =
      json::parse(Chat({{"messages", kMessages}, {"logprobs", true}, {"top_logprobs", 2}}).body);

  const json& content = body["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], "\uFFFD");
  EXPECT_EQ(content[0]["bytes"], json({0xC3}));
  EXPECT_FLOAT_EQ(content[0]["logprob"].get<float>(), -1.95f);
  EXPECT_EQ(content[0]["top_logprobs"][1],
            json::parse(R"({"token":"B","logprob":-1.0,"bytes":[66]})"));
  EXPECT_TRUE(body["choices"][0]["logprobs"]["refusal"].is_null());
}

TEST_F(CompletionTest, GivesTokenIdsWhenAsked) {
  backend.script = Says("ab");
  StartServer();

  const json body = json::parse(Complete({{"prompt", "a"}, {"return_token_ids", true}}).body);
  EXPECT_EQ(body["choices"][0]["token_ids"], json({'a', 'b'}));
}

struct BackendError {
  StatusCode code;
  int status;
  std::string type;
};

class BackendErrors : public ServerTest, public testing::WithParamInterface<BackendError> {};

TEST_P(BackendErrors, BecomeTheirHttpStatusWholeAndStreamed) {
  backend.script = [](Started started) { started.End(Status(GetParam().code, "because")); };
  StartServer();

  for (const bool stream : {false, true}) {
    const HttpReply reply = Complete({{"prompt", "a"}, {"stream", stream}});
    EXPECT_EQ(reply.status, GetParam().status);
    const json error = ErrorOf(reply);
    EXPECT_EQ(error["message"], "because");
    EXPECT_EQ(error["type"], GetParam().type);
    const bool again = GetParam().status == 429 || GetParam().status == 503;
    EXPECT_EQ(reply.Header("retry-after"), again ? "1" : "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BackendErrors,
    testing::Values(BackendError{StatusCode::kInvalidArgument, 400, "invalid_request_error"},
                    BackendError{StatusCode::kFailedPrecondition, 400, "invalid_request_error"},
                    BackendError{StatusCode::kNotFound, 404, "invalid_request_error"},
                    BackendError{StatusCode::kResourceExhausted, 429, "rate_limit_error"},
                    BackendError{StatusCode::kUnavailable, 503, "server_error"},
                    BackendError{StatusCode::kDeadlineExceeded, 504, "server_error"},
                    BackendError{StatusCode::kInternal, 500, "server_error"}));

TEST_F(CompletionTest, CancelsTheOtherChoicesWhenOneFails) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", json{{"prompt", "a"}, {"n", 2}}.dump());
  Started first = backend.NextRequest();
  const Started second = backend.NextRequest();

  first.End(Internal("broken"));

  EXPECT_EQ(backend.NextCancel(), second.request.id);
  EXPECT_EQ(client.ReadReply().status, 500);
}

TEST_F(CompletionTest, RefusesMoreThanTheRunningRequestsAllowed) {
  api_options.limits.running_requests = 1;
  StartServer();
  HttpClient first(server->port());
  first.Send("POST", "/v1/completions", R"({"prompt":"a"})");
  Started started = backend.NextRequest();

  const HttpReply refused = Complete({{"prompt", "a"}});
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Header("retry-after"), "1");
  started.Text("b", FinishReason::kLength);
  EXPECT_EQ(first.ReadReply().status, 200);

  HttpClient third(server->port());
  third.Send("POST", "/v1/completions", R"({"prompt":"a"})");
  backend.NextRequest().Text("c", FinishReason::kLength);
  EXPECT_EQ(third.ReadReply().status, 200);
}

TEST_F(CompletionTest, TreatsAnOutputWithoutAnEndAsAnError) {
  backend.script = [](Started started) {
    started.Text("half");
    started.End(OkStatus());
  };
  StartServer();

  EXPECT_EQ(Complete({{"prompt", "a"}}).status, 500);
}

class PickTest : public ServerTest {
 protected:
  /// What the backend is told of a pick that a client on this host sends.
  PrefillPick PickFrom(std::vector<std::string_view> trusted) {
    for (const std::string_view network : trusted)
      options.trusted_peers.push_back(*IpNetwork::Parse(network));
    PrefillPick told;
    backend.script = [&](Started started) {
      told = started.request.prefill_pick;
      started.Text("a", FinishReason::kLength);
    };
    StartServer();
    HttpClient(server->port())
        .Post("/v1/completions", R"({"prompt":"a"})", {{"x-prefiller-host-port", "10.0.0.1:8000"}});
    return told;
  }
};

TEST_F(PickTest, IsTrustedFromPeersOfTheNetworks) {
  const PrefillPick pick = PickFrom({"10.0.0.0/8", "127.0.0.0/8"});
  EXPECT_EQ(pick.endpoint, "10.0.0.1:8000");
  EXPECT_TRUE(pick.trusted);
}

TEST_F(PickTest, IsNotTrustedFromOthers) {
  const PrefillPick pick = PickFrom({"10.0.0.0/8"});
  EXPECT_EQ(pick.endpoint, "10.0.0.1:8000");
  EXPECT_FALSE(pick.trusted);
}

TEST_F(PickTest, IsTrustedFromNobodyUnlessToldSo) { EXPECT_FALSE(PickFrom({}).trusted); }

}  // namespace
}  // namespace baton::http
