#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "support/http_client.h"
#include "support/served_baton.h"

/// Clients that take more than they are due: the server's memory stays bounded, and others are
/// served.
namespace baton::test {
namespace {

using nlohmann::json;

constexpr int kIdle = 10'000;
constexpr size_t kKibPerIdle = 32;

size_t ResidentKib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    size_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib;
  }
  return 0;
}

class HostileClients : public testing::Test {
 protected:
  HostileClients()
      : server_({.yaml = "limits: {connections: 11000, body_bytes: 1MiB}\n"
                         "timeouts: {idle: 10min, header: 10min, body: 10min}\n"}) {}

  pid_t Router() const {
    for (const pid_t pid : server_.Children())
      if (ServedBaton::CommandLine(pid).find(" router ") != std::string::npos) return pid;
    ADD_FAILURE() << "there is no router";
    return -1;
  }
  void ExpectServes() const {
    const HttpReply reply =
        HttpPost(server_.port(), "/v1/completions", R"({"prompt": "Once", "max_tokens": 4})");
    EXPECT_EQ(reply.status, 200) << reply.body;
  }

  ServedBaton server_;
};

TEST_F(HostileClients, TenThousandIdleConnectionsCostLittle) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < kIdle + 500)
    GTEST_SKIP() << "needs " << kIdle + 500 << " open files, may have " << files.rlim_cur;
  ASSERT_TRUE(server_.WaitReady());
  ExpectServes();
  const size_t before = ResidentKib(Router());
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < kIdle; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server_.port()));
    ASSERT_TRUE(clients.back()->connected()) << i;
    // Every other one begins a request that it never ends.
    if (i % 2 == 0) clients.back()->SendRaw("POST /v1/completions HTTP/1.1\r\nHost: x\r\n");
  }
  ExpectServes();
  const size_t during = ResidentKib(Router());
  std::cout << "KiB of the router before: " << before << ", during: " << during << "\n";
  EXPECT_LT(during, before + kIdle * kKibPerIdle);
  clients.clear();
  ExpectServes();
}

TEST_F(HostileClients, BodiesWithoutEndTakeNoMoreThanTheLimit) {
  ASSERT_TRUE(server_.WaitReady());
  ExpectServes();
  const size_t before = ResidentKib(Router());
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) {
    HttpClient client(server_.port());
    client.SendRaw(
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int chunk = 0; chunk < 4; ++chunk)
      if (!client.SendRaw("100000\r\n" + megabyte + "\r\n")) break;
    const HttpReply reply = client.ReadHead();
    EXPECT_TRUE(reply.status == 413 || reply.status == 0) << reply.status;
  }
  ExpectServes();
  EXPECT_LT(ResidentKib(Router()), before + (size_t{64} << 10));
}

TEST(HostileStrings, ComeThroughWhole) {
  std::ifstream file(BATON_SOURCE_DIR "/../shared/data/edge-text/blns.json");
  if (!file) GTEST_SKIP() << "the list of naughty strings is not here";
  const json strings = json::parse(file);
  ASSERT_GT(strings.size(), 400u);
  ServedBaton server;
  ASSERT_TRUE(server.WaitReady());
  for (const json& string : strings) {
    SCOPED_TRACE(string.dump());
    const auto post = [&](const std::string& path, const json& body) {
      const HttpReply reply = HttpPost(server.port(), path, body.dump());
      EXPECT_EQ(reply.status, 200) << reply.body;
      return json::parse(reply.body);
    };
    const json tokens =
        post("/tokenize", {{"prompt", string}, {"add_special_tokens", false}})["tokens"];
    EXPECT_EQ(post("/detokenize", {{"tokens", tokens}})["prompt"], string);
    post("/v1/chat/completions",
         {{"messages", {{{"role", "user"}, {"content", string}}}}, {"max_tokens", 1}});
    if (string != "") post("/v1/completions", {{"prompt", string}, {"max_tokens", 1}});
  }
}

}  // namespace
}  // namespace baton::test
