#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/access/key_file.h"
#include "baton/base/gate.h"
#include "baton/base/mailbox.h"
#include "baton/rpc/client.h"
#include "support/certificates.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"
#include "support/tls_client.h"

/// Who may ask, and who belongs to the fleet, with real processes.
namespace baton::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string KeyLine(const std::string& key, const std::string& fields) {
  return "key sha256:" + access::ToHex(access::Sha256(key)) + " " + fields + "\n";
}

class Security : public testing::Test {
 protected:
  std::string File(const std::string& name) const { return (folder_.path() / name).string(); }
  void Replace(const std::string& name, const std::string& text) const {
    std::ofstream(File(name) + ".new") << text;
    std::filesystem::rename(File(name) + ".new", File(name));
  }

  testing_support::TemporaryFolder folder_;
};

/// Some blocks long.
json LongPrompt() {
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "It was a long day number " + std::to_string(i) + ". ";
  return {{"prompt", prompt}, {"max_tokens", 2}, {"temperature", 0}};
}

class Tenants : public Security, public testing::WithParamInterface<bool> {};

TEST_P(Tenants, ShareNoCachedPrefixes) {
  Replace("keys", "salt_secret a-secret-of-the-test\n" + KeyLine("one", "name=a tenant=acme") +
                      KeyLine("two", "name=b tenant=acme") + KeyLine("three", "name=c"));
  ServedOptions options;
  if (GetParam()) options = {.prefill = 0, .decode = 0, .mixed = 1};
  options.arguments = {"--set", "router.api_keys=" + File("keys")};
  ServedBaton server(options);
  ASSERT_TRUE(server.WaitReady());
  const auto cached_tokens = [&](const std::string& key) {
    const HttpReply reply =
        HttpClient(server.port())
            .Post("/v1/completions", LongPrompt().dump(), {{"Authorization", "Bearer " + key}});
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body)["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  EXPECT_EQ(cached_tokens("one"), 0);
  EXPECT_GT(cached_tokens("two"), 100);
  EXPECT_EQ(cached_tokens("three"), 0);
  EXPECT_GT(cached_tokens("three"), 100);
}

INSTANTIATE_TEST_SUITE_P(All, Tenants, testing::Bool(), [](const auto& mixed) {
  return std::string(mixed.param ? "mixed" : "split");
});

TEST_F(Security, AKeyIsTakenBackWithoutARestart) {
  Replace("keys", KeyLine("one", "name=a") + KeyLine("two", "name=b"));
  const uint16_t admin_port = FreePort();
  ServedBaton server({.prefill = 0,
                      .decode = 0,
                      .mixed = 1,
                      .arguments = {"--set", "router.api_keys=" + File("keys"), "--set",
                                    "router.admin_port=" + std::to_string(admin_port)}});
  ASSERT_TRUE(server.WaitReady());
  const auto status_with = [&](const std::string& key) {
    return HttpClient(server.port()).Get("/v1/models", {{"x-api-key", key}}).status;
  };
  EXPECT_EQ(status_with("one"), 200);
  EXPECT_EQ(status_with("nobody's"), 401);
  Replace("keys", KeyLine("two", "name=b"));
  EXPECT_TRUE(
      ServedBaton::Until([&] { return status_with("one") == 401; }, std::chrono::seconds(20)));
  EXPECT_EQ(status_with("two"), 200);

  EXPECT_EQ(HttpGet(server.port(), "/metrics").status, 404);
  EXPECT_GT(SumOfMetric(HttpGet(admin_port, "/metrics").body, "baton_kv_blocks"), 0);
  // Keys stay out of logs.
  EXPECT_EQ(server.log().find("nobody's"), std::string::npos);
}

/// Where a worker listens, as the server says when it starts.
std::string AddressOf(const std::string& worker, const std::string& log) {
  const size_t name = log.find(" " + worker + " ");
  const size_t at = log.find(" at ", name);
  if (name == std::string::npos || at == std::string::npos) return {};
  return log.substr(at + 4, log.find_first_of(",\n", at) - at - 4);
}

Status Describe(const std::string& address, const rpc::FleetTls& tls) {
  const auto client = rpc::DialOverGrpc(tls)(address);
  const auto replies = std::make_shared<Mailbox<Status>>(1);
  client->Describe(std::chrono::seconds(5), [replies](const auto& reply) {
    replies->TrySend(reply.ok() ? OkStatus() : Status(reply.status()));
  });
  return replies->Receive(std::chrono::seconds(20)).value_or(Internal("no reply came"));
}

TEST_F(Security, AFleetWithCertificatesServesOverTlsAndLetsNobodyElseIn) {
  const Authority authority("the authority");
  authority.Issue("public", File("public"));
  authority.Issue("fleet", File("fleet"));
  Replace("ca", authority.certificate());
  ServedBaton server({.arguments = {"--set", "router.tls_certificate=" + File("public.pem"),
                                    "--set", "router.tls_key=" + File("public.key"), "--set",
                                    "workers.tls_certificate=" + File("fleet.pem"), "--set",
                                    "workers.tls_key=" + File("fleet.key"), "--set",
                                    "workers.tls_authority=" + File("ca")}});
  ASSERT_TRUE(server.WaitReady());
  TlsClient client(server.port(), authority.certificate());
  ASSERT_TRUE(client.connected());
  const std::string body = LongPrompt().dump();
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  const std::string reply = client.ReadAll();
  EXPECT_THAT(reply, HasSubstr("200 OK"));
  EXPECT_THAT(reply, HasSubstr("x-baton-route: prefill=p0 decode=d0"));

  const std::string worker = AddressOf("d0", server.log());
  ASSERT_NE(worker, "") << server.log();
  EXPECT_EQ(Describe(worker, {}).code(), StatusCode::kUnavailable);
  const rpc::FleetTls member{File("fleet.pem"), File("fleet.key"), File("ca")};
  EXPECT_EQ(Describe(worker, member), OkStatus());
}

}  // namespace
}  // namespace baton::test
