#include <atomic>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "baton/base/gate.h"
#include "baton/base/mailbox.h"
#include "baton/rpc/client.h"
#include "baton/rpc/server.h"
#include "support/certificates.h"
#include "support/tiny_model.h"

namespace baton::rpc {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

/// Counts what reaches it.
class CountingHandler final : public WorkerHandler {
 public:
  WorkerDescription Describe() override {
    ++calls;
    return {.identity = {.protocol_version = handoff::kProtocolVersion, .name = "w"}};
  }
  WorkerStatus CurrentStatus() override {
    ++calls;
    return {};
  }
  void SetPeers(std::vector<PeerAddress>) override { ++calls; }
  void OnGenerate(GenerateCall, std::shared_ptr<GenerateStream> stream) override {
    ++calls;
    stream->Finish(OkStatus());
  }
  void OnGenerateEnded(GenerateStream*) override {}
  void OnJoin(JoinHello, std::shared_ptr<JoinStream> stream) override {
    ++calls;
    stream->Refuse(Unavailable("not here"));
  }
  void OnJoinAlive(JoinStream*) override {}
  void OnJoinEnded(JoinStream*) override {}

  std::atomic<int> calls{0};
};

class FleetTlsTest : public testing::Test {
 protected:
  FleetTlsTest() {
    Write(fleet_, "worker");
    server_ = *WorkerServer::Start("127.0.0.1:0", handler_, std::chrono::milliseconds(5),
                                   FilesOf("worker"));
  }

  FleetTls FilesOf(const std::string& name) const {
    const std::string file = (folder_.path() / name).string();
    return {.certificate = file + ".pem", .key = file + ".key", .authority = file + ".ca"};
  }
  /// A certificate of `authority`, and that of the authority itself.
  void Write(const test::Authority& authority, const std::string& name) {
    authority.Issue(name, folder_.path() / name);
    std::ofstream(FilesOf(name).authority) << authority.certificate();
  }
  std::unique_ptr<WorkerClient> Dial(const FleetTls& tls) {
    return DialOverGrpc(tls)(server_->address());
  }
  static Status Describe(WorkerClient& client, Duration timeout = kPatience) {
    const auto replies = std::make_shared<Mailbox<Status>>(1);
    client.Describe(timeout, [replies](auto reply) {
      replies->TrySend(reply.ok() ? OkStatus() : Status(reply.status()));
    });
    return replies->Receive(kPatience).value_or(Internal("no reply came"));
  }

  testing_support::TemporaryFolder folder_;
  test::Authority fleet_{"the fleet"};
  CountingHandler handler_;
  std::unique_ptr<WorkerServer> server_;
};

TEST_F(FleetTlsTest, LetsMembersTalk) {
  Write(fleet_, "router");
  const auto client = Dial(FilesOf("router"));
  EXPECT_EQ(Describe(*client), OkStatus());
  EXPECT_EQ(handler_.calls, 1);
}

TEST_F(FleetTlsTest, LetsNobodyInWhoHasNoCertificateOfTheFleet) {
  const test::Authority other("others");
  Write(other, "stranger");
  // Knows the fleet's authority, but has nothing of it.
  FleetTls pretender = FilesOf("stranger");
  pretender.authority = FilesOf("worker").authority;
  for (const FleetTls& tls : {FleetTls{}, FilesOf("stranger"), pretender}) {
    const auto client = Dial(tls);
    EXPECT_EQ(Describe(*client, std::chrono::seconds(2)).code(), StatusCode::kUnavailable);
    const auto ends = std::make_shared<Mailbox<Status>>(8);
    const auto end = [ends](Status status) { ends->TrySend(std::move(status)); };
    client->SetPeers({}, kPatience, end);
    client->Generate({.request = {.id = "r", .prompt = {1}}},
                     {.on_route = [](const std::string&) {},
                      .on_token = [](const TokenOutput&) {},
                      .on_report = {},
                      .on_end = end});
    client->Watch({.on_status = [](const WorkerStatus&) {}, .on_end = end});
    client->Join({}, {.on_accepted = [](const JoinHello&) {}, .on_alive = [] {}, .on_end = end});
    for (int i = 0; i < 4; ++i) {
      const std::optional<Status> status = ends->Receive(kPatience);
      ASSERT_TRUE(status);
      EXPECT_EQ(status->code(), StatusCode::kUnavailable) << *status;
    }
  }
  EXPECT_EQ(handler_.calls, 0);
}

TEST_F(FleetTlsTest, DoesNotCallAWorkerThatShowsNoCertificateOfTheFleet) {
  const test::Authority other("others");
  Write(other, "stranger");
  const auto client = Dial(FilesOf("stranger"));
  EXPECT_EQ(Describe(*client, std::chrono::seconds(2)).code(), StatusCode::kUnavailable);
  CountingHandler open;
  const auto plain = *WorkerServer::Start("127.0.0.1:0", open, std::chrono::milliseconds(5));
  Write(fleet_, "router");
  const auto member = DialOverGrpc(FilesOf("router"))(plain->address());
  EXPECT_EQ(Describe(*member, std::chrono::seconds(2)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(open.calls, 0);
}

TEST_F(FleetTlsTest, TakesNewCertificatesWithoutARestart) {
  const test::Authority next("the next fleet");
  Write(next, "router");
  Write(next, "worker");
  const TimePoint deadline = Clock::System().Now() + kPatience;
  Status status = Unavailable("not tried");
  Gate pause;
  while (!status.ok() && Clock::System().Now() < deadline) {
    const auto client = Dial(FilesOf("router"));
    status = Describe(*client, std::chrono::seconds(2));
    if (!status.ok()) pause.Wait(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(status, OkStatus());
}

}  // namespace
}  // namespace baton::rpc
