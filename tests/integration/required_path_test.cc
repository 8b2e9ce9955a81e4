#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/http_client.h"
#include "support/load.h"
#include "support/served_baton.h"

/// transport.required with real processes: they serve over what is required or not at all.
namespace baton::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

/// Where a router listens that is not ready; 0 before it says so.
uint16_t ListeningPort(const ServedBaton& server) {
  const std::string mark = "listening on http://127.0.0.1:";
  const std::string log = server.log();
  const size_t at = log.find(mark);
  return at == std::string::npos ? 0
                                 : static_cast<uint16_t>(std::stoi(log.substr(at + mark.size())));
}

/// Workers send their figures at intervals.
bool Shows(const ServedBaton& server, const std::vector<std::string>& labels) {
  return ServedBaton::Until([&] { return server.Metric("baton_transport_info", labels) == 1; },
                            std::chrono::seconds(30));
}

TEST(RequiredPath, ServesOverSharedMemoryWhenThatIsFound) {
  ServedBaton server({.yaml = "transport: {required: shm}\n"});
  ASSERT_TRUE(server.WaitReady());
  const Outcome outcome = Complete(server.port(), {.prompt = "the sea", .max_tokens = 2});
  EXPECT_EQ(outcome.route, "prefill=p0 decode=d0") << outcome.error;
  for (const char* peer : {"peer=\"p0\"", "peer=\"d0\""}) {
    EXPECT_TRUE(Shows(server, {peer, "kind=\"shm\"", "staged=\"false\""}));
  }
  EXPECT_TRUE(server.WaitLog("joined prefill worker p0")) << server.log();
  EXPECT_TRUE(server.WaitLog("over shared memory (")) << server.log();
}

TEST(RequiredPath, ServesOverEitherOfTwo) {
  ServedBaton server({.yaml = "transport: {tls: tcp, required: [rdma, tcp]}\n"});
  ASSERT_TRUE(server.WaitReady());
  EXPECT_TRUE(Shows(server, {"peer=\"p0\"", "kind=\"tcp\""}));
}

/// Both are offered here, and each pair finds shared memory: known only when they join.
TEST(RequiredPath, IsNotReadyOverAnotherAndSaysWhichWasFound) {
  ServedBaton server({.yaml = "transport: {required: tcp}\n"});
  const std::string reason = "transport.required is tcp, but the path found is shared memory (";
  EXPECT_TRUE(server.WaitLog("refused to join decode worker d0: " + reason)) << server.log();
  EXPECT_TRUE(server.WaitLog("not joined with prefill worker p0: " + reason)) << server.log();
  ASSERT_TRUE(server.WaitLog("listening on http://127.0.0.1:")) << server.log();
  EXPECT_TRUE(ServedBaton::Until(
      [&] {
        const HttpReply reply = HttpGet(ListeningPort(server), "/readyz");
        return reply.status == 503 && reply.body.find(reason) != std::string::npos;
      },
      std::chrono::seconds(30)))
      << server.log();
}

TEST(RequiredPath, RefusesToStartWhereTcpIsAllAndMoreIsRequired) {
  ServedBaton server({.yaml = "transport: {tls: tcp, required: shm}\n"});
  EXPECT_GT(server.WaitExit(), 0);
  EXPECT_THAT(server.log(), HasSubstr("transport.required is shm, but this host offers tcp ("));
}

TEST(RequiredPath, RefusesToStartWithoutAnRdmaDevice) {
  ServedBaton server({.yaml = "transport: {required: rdma}\n"});
  EXPECT_GT(server.WaitExit(), 0);
  EXPECT_THAT(server.log(),
              HasSubstr("transport.required is rdma, but this host offers shared memory ("));
}

/// Without a CUDA device there is no NCCL; with one these workers still compute on the host.
TEST(NcclTransport, RefusesToStartWhereKvIsNotInDeviceMemory) {
  ServedBaton server({.yaml = "transport: {kind: nccl}\n"});
  EXPECT_GT(server.WaitExit(), 0);
  EXPECT_THAT(server.log(), AnyOf(HasSubstr("transport.kind is nccl: "),
                                  HasSubstr("nccl moves memory of devices only")));
}

}  // namespace
}  // namespace baton::test
