#include <gtest/gtest.h>

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
      RunPythonClient("grpc_client.py", {"BATON_HTTP_PORT=" + std::to_string(server.port()),
                                         "BATON_GRPC_PORT=" + std::to_string(grpc_port),
                                         std::string("BATON_ROUTE=") + GetParam().route,
                                         std::string("BATON_PROTO=") + BATON_SOURCE_DIR "/proto"});
  if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached";
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output << server.log();
}

INSTANTIATE_TEST_SUITE_P(
    All, Clients,
    testing::Values(Deployment{"split", {}, "prefill=p0 decode=d0"},
                    Deployment{"mixed", {.prefill = 0, .decode = 0, .mixed = 1}, "local=m0"}),
    [](const auto& deployment) { return std::string(deployment.param.name); });

}  // namespace
}  // namespace baton::test
