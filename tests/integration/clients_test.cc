#include <gtest/gtest.h>

#include "support/free_port.h"
#include "support/python_clients.h"
#include "support/served_baton.h"

/// Clients that were not written for Baton, unchanged.
namespace baton::test {
namespace {

struct Deployment {
  const char* name;
  ServedOptions options;
  const char* route;

  friend std::ostream& operator<<(std::ostream& out, const Deployment& deployment) {
    return out << deployment.name;
  }
};

class Clients : public testing::TestWithParam<Deployment> {};

TEST_P(Clients, OfGrpcGeneratedInPython) {
  ServedOptions options = GetParam().options;
  const uint16_t grpc_port = FreePort();
  options.arguments = {"--set", "router.grpc_port=" + std::to_string(grpc_port)};
  ServedBaton server(options);
  ASSERT_TRUE(server.WaitReady());
  const ProgramOutcome outcome =
      RunPythonClient("grpc_client.py", {},
                      {"BATON_HTTP_PORT=" + std::to_string(server.port()),
                       "BATON_GRPC_PORT=" + std::to_string(grpc_port),
                       std::string("BATON_ROUTE=") + GetParam().route,
                       std::string("BATON_PROTO=") + BATON_SOURCE_DIR "/proto"});
  if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached";
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output << server.log();
}

/// The vendors' own packages, LangChain's, and requests that schemathesis makes.
TEST_P(Clients, OfHttpFromPyPI) {
  ServedBaton server(GetParam().options);
  ASSERT_TRUE(server.WaitReady());
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  const std::vector<std::string> scripts[] = {{"openai_client.py"},
                                              {"anthropic_client.py"},
                                              {"langchain_client.py"},
                                              {"openapi_cases.py", "--cases", "10"}};
  for (std::vector<std::string> words : scripts) {
    const std::string script = words.front();
    words.erase(words.begin());
    words.insert(words.end(), {"--base-url", url});
    const ProgramOutcome outcome = RunPythonClient(script, words);
    if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached";
    EXPECT_EQ(outcome.exit_code, 0) << script << "\n" << outcome.output << server.log();
  }
  EXPECT_TRUE(server.WaitIdle());
}

INSTANTIATE_TEST_SUITE_P(
    All, Clients,
    testing::Values(Deployment{"split", {}, "prefill=p0 decode=d0"},
                    Deployment{"mixed", {.prefill = 0, .decode = 0, .mixed = 1}, "local=m0"}),
    [](const auto& deployment) { return std::string(deployment.param.name); });

}  // namespace
}  // namespace baton::test
