#include "baton/http/http_server.h"

#include <thread>

#include "server_fixture.h"

namespace baton::http {
namespace {

using HttpServerTest = ServerTest;
using test::HttpGet;

TEST_F(HttpServerTest, ListsItsModel) {
  api_options.model = "org/tiny";
  StartServer();

  const json list = json::parse(HttpGet(server->port(), "/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 1u);
  EXPECT_EQ(list["data"][0]["id"], "org/tiny");
  EXPECT_EQ(list["data"][0]["max_model_len"], 256);
  EXPECT_EQ(json::parse(HttpGet(server->port(), "/v1/models/org/tiny").body), list["data"][0]);
  EXPECT_EQ(json::parse(HttpGet(server->port(), "/v1/models/org%2Ftiny").body), list["data"][0]);
}

TEST_F(HttpServerTest, NamesTheServedModelToWhoeverAsksForAnother) {
  StartServer();

  const HttpReply reply = HttpGet(server->port(), "/v1/models/gpt-9");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(ErrorOf(reply)["code"], "model_not_found");
  EXPECT_THAT(ErrorOf(reply)["message"].get<std::string>(), HasSubstr("'tiny'"));
}

TEST_F(HttpServerTest, IsReadyWhenTheBackendIs) {
  StartServer();
  EXPECT_EQ(HttpGet(server->port(), "/readyz").status, 200);
  EXPECT_EQ(HttpGet(server->port(), "/health").status, 200);

  backend.SetReadiness({false, "no decode worker"});
  const HttpReply reply = HttpGet(server->port(), "/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(ErrorOf(reply)["message"], "no decode worker");
  EXPECT_EQ(HttpGet(server->port(), "/health").status, 503);
  EXPECT_EQ(HttpGet(server->port(), "/livez").status, 200);
}

TEST_F(HttpServerTest, SaysCheckByCheckWhetherItIsReady) {
  StartServer();
  backend.fleet_checks = {{"worker/p0", ""}, {"worker/d0", "draining\n[+]decode ok"}};
  backend.SetReadiness({true, "", {{"prefill", ""}, {"group", ""}}});
  const HttpReply ready = HttpGet(server->port(), "/readyz?verbose");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.Header("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(ready.body,
            "[+]prefill ok\n[+]group ok\n[+]shutdown ok\n[+]worker/p0 ok\n"
            "[-]worker/d0 failed: draining [+]decode ok\nreadyz check passed\n");

  backend.SetReadiness({false, "x", {{"prefill", ""}, {"group", "no decode worker"}}});
  const HttpReply reply = HttpGet(server->port(), "/readyz?timeout=5s&verbose=true");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("[-]group failed: no decode worker\n"));
  EXPECT_THAT(reply.body, HasSubstr("readyz check failed\n"));
  EXPECT_EQ(HttpGet(server->port(), "/readyz?x=verbose").Header("content-type"),
            "application/json");
}

TEST_F(HttpServerTest, IsAliveWhileTheBackendGetsAhead) {
  StartServer();
  EXPECT_EQ(HttpGet(server->port(), "/livez").status, 200);

  backend.alive = false;

  const HttpReply reply = HttpGet(server->port(), "/livez");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(ErrorOf(reply)["code"], "not_alive");
}

TEST_F(HttpServerTest, PassesTheBackendsMetricsOn) {
  StartServer();

  const HttpReply reply = HttpGet(server->port(), "/metrics");
  EXPECT_EQ(reply.body, "baton_fake 1\n");
  EXPECT_THAT(reply.Header("content-type"), HasSubstr("version=0.0.4"));
}

TEST_F(HttpServerTest, ServesThePageFromNowhereElse) {
  StartServer();

  const HttpReply page = HttpGet(server->port(), "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.Header("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.Header("content-security-policy"), HasSubstr("default-src 'self'"));
  EXPECT_THAT(page.body, testing::Not(HasSubstr("http://")));
  EXPECT_THAT(page.body, testing::Not(HasSubstr("https://")));
  EXPECT_EQ(HttpGet(server->port(), "/page/page.js").Header("content-type"),
            "text/javascript; charset=utf-8");
  EXPECT_EQ(HttpGet(server->port(), "/page/other.js").status, 404);
}

TEST_F(HttpServerTest, SaysOfTheFleetWhatTheBackendDoes) {
  StartServer();
  backend.SetReadiness({false, "no decode worker"});

  const json fleet = json::parse(HttpGet(server->port(), "/fleet").body);
  EXPECT_EQ(fleet["model"], "tiny");
  EXPECT_EQ(fleet["ready"], false);
  EXPECT_EQ(fleet["reason"], "no decode worker");
  EXPECT_EQ(fleet["fleet"], json({{"workers", json::array()}}));
}

TEST_F(HttpServerTest, CountsAnswersByPathAndCode) {
  backend.script = Says("x");
  StartServer();
  HttpGet(server->port(), "/livez?a=b");
  HttpGet(server->port(), "/livez");
  HttpGet(server->port(), "/nowhere");
  Complete({{"prompt", ""}});
  Stream("/v1/completions", {{"prompt", "x"}, {"stream", true}});

  EXPECT_EQ(Count("/livez", "200"), 2);
  EXPECT_EQ(Count("other", "404"), 1);
  EXPECT_EQ(Count("/v1/completions", "400"), 1);
  EXPECT_EQ(Count("/v1/completions", "200"), 1);
}

TEST_F(HttpServerTest, SaysWhatIsAllowed) {
  StartServer();
  HttpClient client(server->port());

  const HttpReply get = client.Get("/v1/completions");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.Header("allow"), "POST");
  EXPECT_EQ(ErrorOf(get)["code"], "method_not_allowed");
  const HttpReply post = client.Post("/v1/models", "{}");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.Header("allow"), "GET, HEAD");
  EXPECT_EQ(client.Get("/v2").status, 404);
}

TEST_F(HttpServerTest, FinishesWhatRunsWhenItDrains) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  Started started = backend.NextRequest();
  started.Text("a");
  HttpClient other(server->port());
  ASSERT_EQ(other.Get("/readyz").status, 200);
  ASSERT_EQ(client.ReadHead().status, 200);

  // The stream ends once its client has seen that the other connection, which was idle, is closed.
  bool drained = false;
  std::thread drain([&] { drained = server->Drain(); });
  EXPECT_TRUE(other.WaitForClose());
  started.Text("b", FinishReason::kLength);
  EXPECT_EQ(client.AllEvents().back(), "[DONE]");
  drain.join();

  EXPECT_TRUE(drained);
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_FALSE(HttpClient(server->port()).connected());
}

TEST_F(HttpServerTest, RefusesNewCompletionsOfAnOldConnectionWhileItDrains) {
  options.drain_grace = Duration::zero();
  StartServer();
  HttpClient client(server->port());
  // A request that has begun keeps the connection open.
  client.SendRaw(
      "POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 14\r\n"
      "Expect: 100-continue\r\n\r\n");
  ASSERT_EQ(client.ReadHead().status, 100);
  HttpClient running(server->port());
  running.Send("POST", "/v1/completions", R"({"prompt":"x"})");
  backend.NextRequest();

  EXPECT_FALSE(server->Drain());
  client.SendRaw("{\"prompt\":\"x\"}");
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.Header("connection"), "close");
}

TEST_F(HttpServerTest, CancelsWhatRunsWhenItStops) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":"x","stream":true})");
  Started started = backend.NextRequest();

  server->Stop();

  EXPECT_EQ(backend.NextCancel(), started.request.id);
  EXPECT_TRUE(client.WaitForClose());
  // Late calls reach nothing.
  started.Text("late", FinishReason::kLength);
}

TEST_F(HttpServerTest, SaysWhichPortIsTaken) {
  StartServer();
  options.port = server->port();

  const auto second = HttpServer::Start(options, *frontend, clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(options.port)));
}

TEST_F(HttpServerTest, RefusesAHostThatIsNone) {
  StartServer();
  options.host = "no such host";

  const auto started = HttpServer::Start(options, *frontend, clock);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::http
