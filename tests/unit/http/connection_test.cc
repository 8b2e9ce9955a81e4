#include "server_fixture.h"

namespace baton::http {
namespace {

using ConnectionTest = ServerTest;
constexpr char kStreamed[] = R"({"prompt":"x","stream":true})";
constexpr char kWhole[] = R"({"prompt":"x"})";

TEST_F(ConnectionTest, AnswersPipelinedRequestsInOrder) {
  backend.script = Says("ab");
  StartServer();
  HttpClient client(server->port());
  const std::string get = " HTTP/1.1\r\nHost: h\r\n\r\n";
  client.SendRaw("GET /livez" + get + "POST /v1/completions HTTP/1.1\r\nHost: h\r\n" +
                 "Content-Length: 14\r\n\r\n" + kWhole + "GET /version" + get);

  EXPECT_THAT(client.ReadReply().body, HasSubstr("ok"));
  EXPECT_THAT(client.ReadReply().body, HasSubstr("text_completion"));
  EXPECT_THAT(client.ReadReply().body, HasSubstr("1.2.3"));
}

TEST_F(ConnectionTest, AnswersThousandsOfPipelinedRequests) {
  StartServer();
  HttpClient client(server->port());
  std::string requests;
  for (int i = 0; i < 3000; ++i) requests += "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_TRUE(client.SendRaw(requests));

  for (int i = 0; i < 3000; ++i) ASSERT_EQ(client.ReadReply().status, 200) << i;
}

TEST_F(ConnectionTest, AnswersHeadWithoutABody) {
  StartServer();
  HttpClient client(server->port());

  const HttpReply head = client.Call("HEAD", "/version", "", {});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("content-length"),
            std::to_string(std::string(R"({"version":"1.2.3"})").size()));
  EXPECT_THAT(client.Get("/version").body, HasSubstr("1.2.3"));
}

TEST_F(ConnectionTest, TellsAWaitingClientToGoOn) {
  backend.script = Says("ab");
  StartServer();
  HttpClient client(server->port());
  client.SendRaw(
      "POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 14\r\n"
      "Expect: 100-continue\r\n\r\n");

  EXPECT_EQ(client.ReadHead().status, 100);
  client.SendRaw(kWhole);
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(ConnectionTest, ReadsAChunkedBody) {
  backend.script = Says("ab");
  StartServer();
  HttpClient client(server->port());
  client.SendRaw(
      "POST /v1/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "7\r\n{\"promp\r\n7\r\nt\":\"x\"}\r\n0\r\n\r\n");

  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(ConnectionTest, ClosesAfterTheAnswerWhenTheClientAsks) {
  StartServer();
  HttpClient client(server->port());

  const HttpReply reply = client.Get("/livez", {{"Connection", "close"}});
  EXPECT_EQ(reply.Header("connection"), "close");
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ConnectionTest, AnswersAClientThatOnlyClosedItsSendingSide) {
  StartServer();
  HttpClient client(server->port());
  client.SendRaw("GET /livez HTTP/1.0\r\n\r\n");
  client.ShutdownWrite();

  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(ConnectionTest, SaysWhyItRefusesABodyBeforeItCloses) {
  options.limits.body_bytes = 1000;
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", std::string(100000, ' '));

  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(ErrorOf(reply)["message"].get<std::string>(), HasSubstr("1000 bytes"));
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ConnectionTest, GivesUpOnAHeaderThatTricklesIn) {
  options.limits.header_timeout = std::chrono::milliseconds(20);
  StartServer();
  HttpClient client(server->port());
  client.SendRaw("GET /livez HT");

  EXPECT_EQ(client.ReadReply().status, 408);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ConnectionTest, GivesUpOnABodyThatTricklesIn) {
  options.limits.body_timeout = std::chrono::milliseconds(20);
  StartServer();
  HttpClient client(server->port());
  client.SendRaw("POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{");

  EXPECT_EQ(client.ReadReply().status, 408);
}

TEST_F(ConnectionTest, ClosesAnIdleConnection) {
  options.limits.idle_timeout = std::chrono::milliseconds(20);
  StartServer();
  HttpClient client(server->port());

  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ConnectionTest, TakesNoMoreConnectionsThanAllowed) {
  options.limits.connections = 2;
  StartServer();
  HttpClient first(server->port());
  HttpClient second(server->port());
  ASSERT_EQ(first.Get("/livez").status, 200);
  ASSERT_EQ(second.Get("/livez").status, 200);

  HttpClient third(server->port());
  EXPECT_TRUE(third.WaitForClose());
  EXPECT_EQ(first.Get("/livez").status, 200);
}

struct Leaving {
  const char* name;
  std::string body;
  bool reset;
};

class LeavingClient : public ServerTest, public testing::WithParamInterface<Leaving> {};

TEST_P(LeavingClient, IsCancelledWhileNothingIsBeingWritten) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", GetParam().body);
  const Started started = backend.NextRequest();

  client.Close(GetParam().reset);

  EXPECT_EQ(backend.NextCancel(), started.request.id);
}

INSTANTIATE_TEST_SUITE_P(All, LeavingClient,
                         testing::Values(Leaving{"Whole", kWhole, false},
                                         Leaving{"WholeReset", kWhole, true},
                                         Leaving{"Streamed", kStreamed, false},
                                         Leaving{"StreamedReset", kStreamed, true}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(ConnectionTest, CancelsEveryRequestOfAClientThatLeft) {
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", R"({"prompt":["a","b"],"n":2,"stream":true})");
  std::vector<std::string> started;
  for (int i = 0; i < 4; ++i) started.push_back(backend.NextRequest().request.id);

  client.Close();

  std::vector<std::string> cancelled;
  for (int i = 0; i < 4; ++i) cancelled.push_back(backend.NextCancel());
  EXPECT_THAT(cancelled, testing::UnorderedElementsAreArray(started));
}

TEST_F(ConnectionTest, DoesNotCancelWhatHasFinished) {
  StartServer();
  {
    HttpClient client(server->port());
    client.Send("POST", "/v1/completions", kWhole);
    backend.NextRequest().Text("a", FinishReason::kLength);
    EXPECT_EQ(client.ReadReply().status, 200);
  }
  server->Stop();

  EXPECT_EQ(backend.cancelled(), 0u);
}

TEST_F(ConnectionTest, DropsAClientThatDoesNotReadItsStream) {
  options.limits.write_backlog_bytes = 64 << 10;
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", kStreamed);
  Started started = backend.NextRequest();

  // More than the socket's buffers and the backlog hold together; a bound against hanging.
  const std::vector<TokenId> tokens(1000, 'x');
  for (int i = 0; i < 300 && backend.cancelled() == 0; ++i)
    started.Tokens(tokens, FinishReason::kNone);

  EXPECT_EQ(backend.NextCancel(), started.request.id);
}

TEST_F(ConnectionTest, DropsAClientThatTakesNothingForTooLong) {
  options.limits.write_timeout = std::chrono::milliseconds(20);
  options.limits.write_backlog_bytes = size_t{1} << 30;
  StartServer();
  HttpClient client(server->port());
  client.Send("POST", "/v1/completions", kStreamed);
  Started started = backend.NextRequest();
  // More than the socket's buffers hold.
  for (int i = 0; i < 100; ++i)
    started.Tokens(std::vector<TokenId>(1000, 'x'), FinishReason::kNone);

  EXPECT_EQ(backend.NextCancel(), started.request.id);
}

}  // namespace
}  // namespace baton::http
