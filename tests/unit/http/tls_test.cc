#include <openssl/ssl.h>

#include "server_fixture.h"
#include "support/certificates.h"
#include "support/tls_client.h"

namespace baton::http {
namespace {

using test::Authority;
using test::TlsClient;

class TlsTest : public ServerTest {
 protected:
  TlsTest() : file_(folder.path() / "server") {
    authority_.Issue("server-1", file_);
    options.tls = {.certificate = file_.string() + ".pem", .key = file_.string() + ".key"};
  }

  static std::string PostOf(const json& body) {
    const std::string text = body.dump();
    return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
           std::to_string(text.size()) + "\r\n\r\n" + text;
  }

  Authority authority_{"the authority"};
  std::filesystem::path file_;
};

TEST_F(TlsTest, AnswersAsWithoutIt) {
  backend.script = Says("Hello");
  StartServer();
  TlsClient client(server->port(), authority_.certificate());
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.Send(PostOf({{"prompt", "Hi"}})));
  const std::string reply = client.ReadAll();
  EXPECT_THAT(reply, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr(R"("text":"Hello")"));
}

TEST_F(TlsTest, TakesRequestsAndGivesStreamsLargerThanARecord) {
  api_options.context_tokens = 1 << 20;
  backend.script = Says(std::string(2000, 'x'));
  StartServer();
  TlsClient client(server->port(), authority_.certificate());
  const json body = {{"prompt", std::string(100000, 'y')}, {"stream", true}, {"max_tokens", 2000}};
  ASSERT_TRUE(client.Send(PostOf(body)));
  const std::string reply = client.ReadAll();
  EXPECT_GT(reply.size(), 200000u);
  EXPECT_THAT(reply, HasSubstr("data: [DONE]\n\n\r\n0\r\n\r\n"));
}

TEST_F(TlsTest, SendsWhatIsThereAtOnceInOneWrite) {
  // All tokens are there before the connection's next turn: the script runs within the first.
  backend.script = Says("abc");
  StartServer();
  TlsClient client(server->port(), authority_.certificate());
  ASSERT_TRUE(client.Send(PostOf({{"prompt", "Hi"}, {"stream", true}})));

  // What is written in one piece is one record.
  const std::string record = client.Read();

  EXPECT_THAT(record, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(record, HasSubstr(R"("text":"c")"));
  EXPECT_THAT(record, testing::EndsWith("data: [DONE]\n\n\r\n0\r\n\r\n"));
}

TEST_F(TlsTest, SpeaksNothingOlderThanTls12) {
  StartServer();
  EXPECT_TRUE(TlsClient(server->port(), authority_.certificate(), TLS1_2_VERSION).connected());
  EXPECT_FALSE(TlsClient(server->port(), authority_.certificate(), TLS1_1_VERSION).connected());
}

TEST_F(TlsTest, EndsAConnectionThatSpeaksPlainHttp) {
  StartServer();
  HttpClient client(server->port());
  client.SendRaw("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_TRUE(TlsClient(server->port(), authority_.certificate()).connected());
}

TEST_F(TlsTest, GivesAHandshakeTheTimeOfAHeader) {
  options.limits.header_timeout = std::chrono::milliseconds(50);
  options.limits.idle_timeout = std::chrono::hours(1);
  StartServer();
  HttpClient client(server->port());
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(TlsTest, ShowsANewCertificateOnceTheFilesHaveChanged) {
  StartServer();
  EXPECT_EQ(TlsClient(server->port(), authority_.certificate()).server_name(), "server-1");
  authority_.Issue("server-2", file_);
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(TlsClient(server->port(), authority_.certificate()).server_name(), "server-2");
}

TEST_F(TlsTest, KeepsItsCertificateWhenTheNewOneIsBad) {
  StartServer();
  testing_support::WriteFile(options.tls.key, "nonsense");
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(TlsClient(server->port(), authority_.certificate()).server_name(), "server-1");
}

TEST_F(TlsTest, DoesNotStartWithTheKeyOfAnother) {
  authority_.Issue("other", folder.path() / "other");
  options.tls.key = (folder.path() / "other.key").string();
  auto created = api::Frontend::Create(api_options, backend, *tokenizer, nullptr, metrics, clock);
  ASSERT_TRUE(created.ok()) << created.status();
  const auto started = HttpServer::Start(options, **created, clock);
  EXPECT_EQ(started.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(started.status().message(), HasSubstr("is not the key of"));
}

}  // namespace
}  // namespace baton::http
