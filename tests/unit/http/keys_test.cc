#include "server_fixture.h"

namespace baton::http {
namespace {

std::string KeyLine(const std::string& key, const std::string& fields) {
  return "key sha256:" + access::ToHex(access::Sha256(key)) + " " + fields + "\n";
}

const json kBody = {{"prompt", "Hi"}, {"max_tokens", 2}};

class KeysTest : public ServerTest {
 protected:
  HttpReply CompleteWith(const HttpClient::Headers& headers) {
    return HttpClient(server->port()).Post("/v1/completions", kBody.dump(), headers);
  }
  HttpReply CompleteAs(const std::string& key) {
    return CompleteWith({{"Authorization", "Bearer " + key}});
  }
};

TEST_F(KeysTest, AreAskedForInOpenAisShape) {
  AskForKeys(KeyLine("one", "name=a"));
  StartServer();

  const HttpReply reply = CompleteWith({});
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.Header("www-authenticate"), "Bearer");
  EXPECT_EQ(ErrorOf(reply)["code"], "invalid_api_key");
  EXPECT_EQ(CompleteAs("two").status, 401);
  EXPECT_EQ(CompleteWith({{"Authorization", "Basic one"}}).status, 401);
  EXPECT_EQ(CompleteWith({{"Authorization", "Bearer"}}).status, 401);
  for (const char* path : {"/v1/models", "/v1/models/tiny", "/version", "/metrics", "/fleet"})
    EXPECT_EQ(test::HttpGet(server->port(), path).status, 401) << path;
  EXPECT_EQ(Post("/tokenize", {{"prompt", "Hi"}}).status, 401);
}

TEST_F(KeysTest, AdmitAsOpenAisAndAsAnthropicsClientsSendThem) {
  AskForKeys(KeyLine("one", "name=a"));
  backend.script = Says("ok");
  StartServer();

  EXPECT_EQ(CompleteAs("one").status, 200);
  EXPECT_EQ(CompleteWith({{"authorization", "bearer  one"}}).status, 200);
  EXPECT_EQ(CompleteWith({{"x-api-key", "one"}}).status, 200);
}

TEST_F(KeysTest, AreAskedForInAnthropicsShapeWhereItsClientsAsk) {
  AskForKeys(KeyLine("one", "name=a"));
  StartServer();
  const HttpReply reply = Post("/v1/messages", {{"max_tokens", 1}});
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(json::parse(reply.body)["type"], "error");
  EXPECT_EQ(json::parse(reply.body)["error"]["type"], "authentication_error");
}

TEST_F(KeysTest, AreNotAskedForMetricsOfAWorker) {
  AskForKeys(KeyLine("one", "name=a"));
  options.surface = HttpSurface::kWorker;
  StartServer();
  EXPECT_EQ(test::HttpGet(server->port(), "/metrics").status, 200);
  EXPECT_EQ(CompleteWith({}).status, 401);
  for (const char* path : {"/fleet", "/scale/state", "/"})
    EXPECT_EQ(test::HttpGet(server->port(), path).status, 404) << path;
}

TEST_F(KeysTest, AreNotAskedForByProbes) {
  AskForKeys(KeyLine("one", "name=a"));
  StartServer();
  for (const char* path : {"/health", "/livez", "/readyz"})
    EXPECT_EQ(test::HttpGet(server->port(), path).status, 200) << path;
}

TEST_F(KeysTest, KeepTheWorkersNamesInAReadinessReport) {
  AskForKeys(KeyLine("one", "name=alice"));
  backend.fleet_checks = {{"worker/p0", ""}};
  StartServer();
  HttpClient client(server->port());
  EXPECT_THAT(client.Get("/readyz?verbose").body, Not(HasSubstr("p0")));
  EXPECT_THAT(client.Get("/readyz?verbose", {{"x-api-key", "one"}}).body,
              HasSubstr("[+]worker/p0 ok"));
}

TEST_F(KeysTest, LimitWhatRunsAtOnce) {
  AskForKeys(KeyLine("one", "name=alice requests_at_once=1") + KeyLine("two", "name=bob"));
  StartServer();
  HttpClient first(server->port());
  first.Send("POST", "/v1/completions", kBody.dump(), {{"Authorization", "Bearer one"}});
  Started running = backend.NextRequest();

  const HttpReply refused = CompleteAs("one");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Header("retry-after"), "1");
  EXPECT_EQ(ErrorOf(refused)["message"],
            "the key 'alice' has reached its limit: requests_at_once is 1");

  running.Text("ok", FinishReason::kLength);
  EXPECT_EQ(first.ReadReply().status, 200);
  backend.script = Says("ok");
  EXPECT_EQ(CompleteAs("two").status, 200);
}

TEST_F(KeysTest, LimitRequestsPerMinute) {
  AskForKeys(KeyLine("one", "name=alice requests_per_minute=2"));
  backend.script = Says("ok");
  StartServer();
  EXPECT_EQ(CompleteAs("one").status, 200);
  EXPECT_EQ(CompleteAs("one").status, 200);

  const HttpReply refused = CompleteAs("one");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Header("retry-after"), "30");
  clock.Advance(std::chrono::seconds(30));
  EXPECT_EQ(CompleteAs("one").status, 200);
}

TEST_F(KeysTest, NameTheTenantAndBoundThePriority) {
  AskForKeys(KeyLine("one", "name=a tenant=x highest_priority=-2") + KeyLine("two", "name=b"));
  Mailbox<Request> requests{4};
  backend.script = [&](Started started) {
    requests.TrySend(Request(started.request));
    started.Text("ok", FinishReason::kLength);
  };
  StartServer();
  for (const char* key : {"one", "two"}) {
    json body = kBody;
    body["priority"] = -7;
    HttpClient(server->port()).Post("/v1/completions", body.dump(), {{"x-api-key", key}});
  }
  const Request first = *requests.Receive(std::chrono::seconds(20));
  EXPECT_EQ(first.tenant, "x");
  EXPECT_EQ(first.priority, -2);
  const Request second = *requests.Receive(std::chrono::seconds(20));
  EXPECT_EQ(second.tenant, "b");
  EXPECT_EQ(second.priority, 0);
}

TEST_F(KeysTest, SaltThePrefixCacheByTenant) {
  AskForKeys(KeyLine("one", "name=a tenant=x") + KeyLine("two", "name=b tenant=x") +
             KeyLine("three", "name=c tenant=y"));
  StartServer();
  const auto salt_of = [&](const std::string& key) {
    HttpClient client(server->port());
    client.Send("POST", "/v1/completions", kBody.dump(), {{"Authorization", "Bearer " + key}});
    Started started = backend.NextRequest();
    started.Text("ok", FinishReason::kLength);
    EXPECT_EQ(client.ReadReply().status, 200);
    return started.request.cache_salt;
  };
  EXPECT_NE(salt_of("one"), 0u);
  EXPECT_EQ(salt_of("one"), salt_of("two"));
  EXPECT_NE(salt_of("one"), salt_of("three"));
}

TEST_F(KeysTest, AreNotAskedForOnTheOperatorsPort) {
  AskForKeys(KeyLine("one", "name=a"));
  options.surface = HttpSurface::kOperators;
  StartServer();
  for (const char* path : {"/metrics", "/fleet", "/version", "/health", "/"})
    EXPECT_EQ(test::HttpGet(server->port(), path).status, 200) << path;
}

TEST_F(KeysTest, AreAskedForByCompletionsOnTheOperatorsPortToo) {
  AskForKeys(KeyLine("one", "name=a"));
  options.surface = HttpSurface::kOperators;
  backend.script = Says("ok");
  StartServer();
  EXPECT_EQ(CompleteAs("two").status, 401);
  EXPECT_EQ(CompleteAs("one").status, 200);
  EXPECT_EQ(test::HttpGet(server->port(), "/v1/models").status, 404);
}

TEST_F(KeysTest, LeaveMetricsToTheOperatorsPortWhereThereIsOne) {
  options.surface = HttpSurface::kClients;
  StartServer();
  for (const char* path : {"/metrics", "/fleet", "/", "/page/page.js"})
    EXPECT_EQ(test::HttpGet(server->port(), path).status, 404) << path;
  EXPECT_EQ(test::HttpGet(server->port(), "/health").status, 200);
}

}  // namespace
}  // namespace baton::http
