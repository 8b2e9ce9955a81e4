#include "baton/router/router.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/base/gate.h"
#include "baton/base/latest.h"
#include "baton/base/mailbox.h"
#include "baton/rpc/server.h"
#include "support/tiny_model.h"

namespace baton::router {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

/// A worker process as the router sees it; the test is its engine.
class FakeWorker final : public rpc::WorkerHandler {
 public:
  FakeWorker(std::string name, Role role, std::vector<std::string> joined = {},
             const std::string& listen = "127.0.0.1:0",
             Duration status_interval = std::chrono::milliseconds(5))
      : name_(std::move(name)),
        role_(role),
        joined_(std::move(joined)),
        server_(*rpc::WorkerServer::Start(listen, *this, status_interval)) {}

  rpc::PeerAddress address() const { return {.name = name_, .address = server_->address()}; }
  void Stop() { server_->Shutdown(); }

  rpc::WorkerDescription Describe() override {
    return {
        .identity = {.epoch = Epoch::Random(),
                     .name = name_,
                     .fingerprint = fingerprint,
                     .geometry = {.layers = 1, .kv_heads = 1, .head_dim = 1, .block_tokens = 4}},
        .role = role_,
        .limits = limits,
        .calibration = calibration};
  }
  kv::PrefixUpdate NextPrefixes(kv::PrefixCursor& cursor) override {
    return prefixes.Read(cursor, 64);
  }
  rpc::WorkerStatus CurrentStatus() override {
    rpc::WorkerStatus status{.joined_peers = joined_, .load = load, .loops = {loop.Read()}};
    const int now = role_now;
    if (now >= 0) status.role = static_cast<Role>(now);
    const int next = changing_to;
    if (next >= 0) status.changing_to = static_cast<Role>(next);
    status.metrics.families.push_back({.name = "baton_test_gauge",
                                       .help = "A gauge",
                                       .samples = {{.labels = {{"worker", name_}}, .value = 5}}});
    return status;
  }
  void SetPeers(std::vector<rpc::PeerAddress> wanted) override {
    if (on_peers) on_peers();
    peers.TrySend(std::move(wanted));
  }
  Status SetRole(Role role, Duration patience) override {
    roles.TrySend({role, patience});
    return OkStatus();
  }
  void OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) override {
    calls.TrySend({std::move(call), std::move(stream)});
  }
  void OnGenerateEnded(rpc::GenerateStream* stream) override { ended.TrySend(std::move(stream)); }
  void OnJoin(rpc::JoinHello, std::shared_ptr<rpc::JoinStream>) override {}
  void OnJoinAlive(rpc::JoinStream*) override {}
  void OnJoinEnded(rpc::JoinStream*) override {}

  // What it says of itself; set before the router knows this worker.
  std::string fingerprint;
  rpc::WorkerLimits limits;
  std::vector<cost::StepSample> calibration;
  rpc::WorkerLoad load;
  kv::PrefixJournal prefixes;
  /// How its engine gets ahead; may change at any time.
  Latest<LoopProgress> loop{{.name = "engine"}};
  /// Called before peers are taken; set before the router knows this worker.
  std::function<void()> on_peers;
  /// A Role; -1: none is told.
  std::atomic<int> role_now{-1};
  std::atomic<int> changing_to{-1};
  Mailbox<std::pair<Role, Duration>> roles{64};
  Mailbox<std::vector<rpc::PeerAddress>> peers{64};
  Mailbox<std::pair<rpc::GenerateCall, std::shared_ptr<rpc::GenerateStream>>> calls{64};
  Mailbox<rpc::GenerateStream*> ended{64};

 private:
  const std::string name_;
  const Role role_;
  const std::vector<std::string> joined_;
  std::unique_ptr<rpc::WorkerServer> server_;
};

class RecordingSink final : public api::CompletionSink {
 public:
  void OnRoute(std::string route) override { events.TrySend("route " + route); }
  void OnToken(TokenOutput output) override {
    events.TrySend("token " + std::to_string(output.token));
  }
  void OnTimings(const api::RequestTimings& timings) override {
    const auto ms = [](Duration duration) { return std::to_string(duration.count() / 1000000); };
    events.TrySend("timings " + (timings.handoff ? ms(timings.handoff->prefill) : "local"));
  }
  void OnRefused(const api::Refusal& refusal) override {
    events.TrySend("refused " + refusal.reason);
  }
  void OnEnd(Status status) override { events.TrySend("end " + status.ToString()); }
  std::string Next() { return events.Receive(kPatience).value_or("nothing"); }

  Mailbox<std::string> events{64};
};

class RouterTest : public testing::Test {
 protected:
  void Route(std::vector<rpc::PeerAddress> workers, int32_t requests = 8) {
    Route({.workers = std::move(workers), .requests = requests});
  }
  void Route(const RouterOptions& options) {
    router_ = *Router::Create(options, registry_, Clock::System());
  }
  std::shared_ptr<RecordingSink> Start(const std::string& id) {
    auto sink = std::make_shared<RecordingSink>();
    router_->Start({.id = id, .prompt = {1, 2, 3}}, sink);
    return sink;
  }

  /// Whether the router has seen so many workers, within some time.
  bool AwaitThere(int64_t count) {
    const auto there = [this] {
      const auto fleet = nlohmann::json::parse(router_->RenderFleet());
      const auto& workers = fleet["workers"];
      return std::count_if(workers.begin(), workers.end(),
                           [](const auto& worker) { return worker["state"] == "ready"; });
    };
    const TimePoint deadline = Clock::System().Now() + kPatience;
    Gate pause;
    while (there() < count) {
      if (Clock::System().Now() >= deadline) return false;
      pause.Wait(std::chrono::milliseconds(5));
    }
    return true;
  }

  telemetry::MetricRegistry registry_;
  std::unique_ptr<Router> router_;
};

TEST_F(RouterTest, TellsTimingsBeforeTheFirstTokenWhenAsked) {
  FakeWorker worker("m0", Role::kMixed);
  Route({worker.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = std::make_shared<RecordingSink>();
  router_->Start({.id = "r1", .prompt = {1}, .timings = true}, sink);
  const auto call = worker.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->first.request.timings);
  EXPECT_FALSE(call->first.request.trace);
  call->second->SendReport(
      {.timings = rpc::HandoffTimings{.stages = {.prefill = std::chrono::milliseconds(12)}}});
  call->second->SendToken({.token = 4, .finish = FinishReason::kStop});
  call->second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "timings 12");
  EXPECT_EQ(sink->Next(), "token 4");
}

class RouterTraceTest : public RouterTest {
 protected:
  /// The names of the spans of each process in the trace of `id`, as "router: queue route first
  /// token".
  std::vector<std::string> Traced(const std::string& id) {
    router_.reset();  // Which writes what is left to write.
    std::ifstream in(folder_.path() / (id + ".json"));
    const auto trace = nlohmann::json::parse(in, nullptr, false);
    if (trace.is_discarded()) return {"no trace"};
    std::vector<std::string> processes;
    for (const auto& event : trace["traceEvents"]) {
      if (event["name"] == "process_name") {
        processes.push_back(event["args"]["name"].get<std::string>() + ":");
      } else if (event["ph"] == "X") {
        processes.back() += " " + event["name"].get<std::string>();
      }
    }
    return processes;
  }
  /// Runs a request at `worker`, which reports a trace of its own if it was asked for one.
  void Serve(FakeWorker& worker, Request request) {
    const auto sink = std::make_shared<RecordingSink>();
    router_->Start(std::move(request), sink);
    const auto call = worker.calls.Receive(kPatience);
    ASSERT_TRUE(call);
    telemetry::TraceRecorder recorder("m0", Clock::System().Now());
    recorder.Stage("prefill here", Clock::System().Now());
    if (call->first.request.trace) {
      call->second->SendReport({.traces = {recorder.Take(Clock::System().Now())}});
    }
    call->second->SendToken({.token = 4});
    recorder.Stage("decode step", Clock::System().Now());
    if (call->first.request.trace) {
      call->second->SendReport({.traces = {recorder.Take(Clock::System().Now())}});
    }
    call->second->SendToken({.token = 5, .finish = FinishReason::kStop});
    call->second->Finish(OkStatus());
    EXPECT_EQ(sink->Next(), "token 4");
    EXPECT_EQ(sink->Next(), "token 5");
    EXPECT_EQ(sink->Next(), "end OK");
  }

  testing_support::TemporaryFolder folder_;
  FakeWorker worker_{"m0", Role::kMixed};
};

TEST_F(RouterTraceTest, WritesWhatEachProcessDidWhenTheClientAsks) {
  Route({.workers = {worker_.address()}, .trace = {.folder = folder_.path()}});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  Serve(worker_, {.id = "r1", .prompt = {1}, .trace = true});
  Serve(worker_, {.id = "r2", .prompt = {1}});

  EXPECT_EQ(Traced("r1"), (std::vector<std::string>{"router: queue route first token tokens",
                                                    "m0: prefill here decode step"}));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "r2.json"));
}

TEST_F(RouterTraceTest, WritesOneOfEveryFewByItself) {
  Route({.workers = {worker_.address()}, .trace = {.folder = folder_.path()}, .trace_every = 2});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  for (const char* id : {"r0", "r1", "r2"}) Serve(worker_, {.id = id, .prompt = {1}});
  router_.reset();

  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "r0.json"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "r1.json"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "r2.json"));
}

TEST_F(RouterTraceTest, AsksNobodyForATraceThatCannotBeWritten) {
  Route({worker_.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  router_->Start({.id = "r1", .prompt = {1}, .trace = true}, std::make_shared<RecordingSink>());
  const auto call = worker_.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_FALSE(call->first.request.trace);
}

TEST_F(RouterTraceTest, WritesWhatBecameOfARequestThatFailed) {
  Route({.workers = {worker_.address()}, .trace = {.folder = folder_.path()}});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = std::make_shared<RecordingSink>();
  router_->Start({.id = "r1", .prompt = {1}, .trace = true}, sink);
  const auto call = worker_.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  call->second->Finish(Internal("x"));
  EXPECT_EQ(sink->Next(), "end Internal: worker m0: x");

  EXPECT_EQ(Traced("r1"), (std::vector<std::string>{"router: queue route no token"}));
}

TEST(RouterTrace, NeedsAFolderThatCanBeWritten) {
  telemetry::MetricRegistry registry;
  const auto router =
      Router::Create({.trace = {.folder = "/dev/null/traces"}}, registry, Clock::System());
  EXPECT_EQ(router.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(RouterTest, TakesAllOfOtherOptionsOrNone) {
  FakeWorker worker("m0", Role::kMixed);
  RouterOptions options{.workers = {worker.address()}, .requests = 1};
  Route(options);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  Start("r1");
  const auto reconfigure = [&](const std::optional<api::RoleCounts>& roles) {
    Mailbox<Status> answer{1};
    router_->Reconfigure(options, roles, [&](Status status) { answer.TrySend(std::move(status)); });
    return answer.Receive(kPatience).value_or(DeadlineExceeded("no answer")).code();
  };
  options.requests = 2;
  EXPECT_EQ(reconfigure(api::RoleCounts{.mixed = 2}), StatusCode::kInvalidArgument);
  EXPECT_EQ(Start("r2")->Next(),
            "end ResourceExhausted: the router has 1 requests under way, its limit");
  EXPECT_EQ(reconfigure(std::nullopt), StatusCode::kOk);
  Start("r3");
  EXPECT_TRUE(worker.calls.Receive(kPatience));
  EXPECT_TRUE(worker.calls.Receive(kPatience));
}

TEST_F(RouterTest, RelaysAStreamFromAMixedWorker) {
  FakeWorker worker("m0", Role::kMixed);
  Route({worker.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = Start("r1");
  const auto call = worker.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->first.prefill_peer, "");
  call->second->SendRoute("local=m0");
  call->second->SendToken({.token = 4});
  call->second->SendToken({.token = 5, .finish = FinishReason::kStop});
  call->second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "route local=m0");
  EXPECT_EQ(sink->Next(), "token 4");
  EXPECT_EQ(sink->Next(), "token 5");
  EXPECT_EQ(sink->Next(), "end OK");
}

TEST_F(RouterTest, SendsASplitRequestToDecodeNamingThePrefillWorker) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Route({prefill.address(), decode.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = Start("r1");
  const auto call = decode.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->first.prefill_peer, "p0");
  call->second->Finish(Internal("x"));
  EXPECT_EQ(sink->Next(), "end Internal: worker d0: x");
}

TEST_F(RouterTest, SplitsNoRequestThatWantsToKnowAboutItsPrompt) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Route({prefill.address(), decode.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = std::make_shared<RecordingSink>();
  router_->Start(
      {.id = "r1", .prompt = {1, 2}, .sampling = {.max_tokens = 0, .prompt_logprobs = 2}}, sink);
  const auto call = decode.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->first.prefill_peer, "");
  EXPECT_EQ(call->first.request.sampling.prompt_logprobs, 2);
  call->second->SendToken({.token = kNoToken, .finish = FinishReason::kLength});
  call->second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "token -1");
  EXPECT_EQ(sink->Next(), "end OK");
}

/// 1 ms a step, 0.1 ms a prompt token, 1 ms a sequence that decodes.
std::vector<cost::StepSample> Calibration() {
  std::vector<cost::StepSample> samples;
  for (int64_t i = 1; i <= 16; ++i) {
    for (const cost::StepShape& shape :
         {cost::StepShape{.prefill_tokens = 16 * i}, cost::StepShape{.decode_sequences = i}}) {
      samples.push_back({.shape = shape,
                         .took = std::chrono::microseconds(1000 + 100 * shape.prefill_tokens +
                                                           1000 * shape.decode_sequences)});
    }
  }
  return samples;
}

/// A prefill worker and a decode worker that decodes eight sequences for others.
class RouterDecides : public RouterTest {
 protected:
  RouterDecides() {
    prefill_.calibration = decode_.calibration = Calibration();
    decode_.load = {.decode_sequences = 8, .decode_context = 800, .available_blocks = 1000};
  }
  /// The call at `worker` for a prompt of so many tokens.
  rpc::GenerateCall Ask(FakeWorker& worker, size_t tokens) {
    Route({prefill_.address(), decode_.address()});
    EXPECT_TRUE(router_->WaitReady(kPatience));
    const std::vector<TokenId> prompt(tokens, 1);
    router_->Start({.id = "r1", .prompt = prompt}, std::make_shared<RecordingSink>());
    auto call = worker.calls.Receive(kPatience);
    EXPECT_TRUE(call);
    return call ? std::move(call->first) : rpc::GenerateCall{};
  }

  FakeWorker prefill_{"p0", Role::kPrefill};
  FakeWorker decode_{"d0", Role::kDecode, {"p0"}};
};

TEST_F(RouterDecides, ToPrefillAShortPromptWhereItDecodes) {
  decode_.load.decode_sequences = 1;
  const rpc::GenerateCall call = Ask(decode_, 3);
  EXPECT_EQ(call.prefill_peer, "");
  EXPECT_EQ(call.reason, "cheaper");
}

TEST_F(RouterDecides, ToHandALongPromptOver) {
  const rpc::GenerateCall call = Ask(decode_, 2000);
  EXPECT_EQ(call.prefill_peer, "p0");
  EXPECT_EQ(call.reason, "cheaper");
}

TEST_F(RouterDecides, ToPrefillWhatIsNotCachedWhereItDecodes) {
  kv::PrefixKey key = kv::kPrefixRootKey;
  for (int i = 0; i < 2000 / 4 - 1; ++i) {
    key = kv::ExtendPrefix(key, std::vector<TokenId>(4, 1), 0);
    decode_.prefixes.Append(std::vector{kv::PrefixChange{.key = key, .stored = true}});
  }
  Route({prefill_.address(), decode_.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  // It takes the router some statuses to hear of all of them.
  rpc::GenerateCall call{.prefill_peer = "p0"};
  for (int i = 0; call.prefill_peer == "p0" && i < 1000; ++i) {
    router_->Start({.id = std::to_string(i), .prompt = std::vector<TokenId>(2000, 1)},
                   std::make_shared<RecordingSink>());
    auto next = decode_.calls.Receive(kPatience);
    ASSERT_TRUE(next);
    call = std::move(next->first);
    next->second->Finish(Internal("x"));
  }
  EXPECT_EQ(call.prefill_peer, "");
}

TEST_F(RouterTest, TellsDecodeWorkersTheirPeers) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Route({prefill.address(), decode.address()});
  std::vector<rpc::PeerAddress> peers;
  while (peers.empty()) {
    auto told = decode.peers.Receive(kPatience);
    ASSERT_TRUE(told);
    peers = *told;
  }
  EXPECT_EQ(peers, std::vector{prefill.address()});
}

TEST_F(RouterTest, TellsNewPeersOnlyOnceTheFormerWereTaken) {
  const rpc::PeerAddress p0 = FakeWorker("p0", Role::kPrefill).address();
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Gate told, take;
  std::atomic<int> calls{0};
  decode.on_peers = [&] {
    if (++calls > 1) return;
    told.Open();
    take.Wait(kPatience);
  };
  Route({p0, decode.address()});
  EXPECT_TRUE(told.Wait(kPatience));
  FakeWorker prefill("p0", Role::kPrefill, {}, p0.address);
  EXPECT_TRUE(router_->WaitReady(kPatience));
  // Time for a second call, which would come through at once from here on.
  EXPECT_FALSE(decode.peers.Receive(std::chrono::milliseconds(50)));
  take.Open();
  EXPECT_EQ(decode.peers.Receive(kPatience), std::vector{p0});
  EXPECT_EQ(decode.peers.Receive(kPatience), std::vector{p0});
}

/// What the decode worker is told next that names so many.
std::vector<rpc::PeerAddress> NextPeers(FakeWorker& decode, size_t count) {
  std::optional<std::vector<rpc::PeerAddress>> told;
  do {
    told = decode.peers.Receive(kPatience);
  } while (told && told->size() != count);
  return told.value_or(std::vector<rpc::PeerAddress>{});
}

TEST_F(RouterTest, TellsADecodeWorkerAgainUntilItShowsItsPeers) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode);
  Route({prefill.address(), decode.address()});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(NextPeers(decode, 1), std::vector{prefill.address()});
}

TEST_F(RouterTest, LeavesADecodeWorkerThePeersThatItHas) {
  const rpc::PeerAddress unreachable{.name = "p0", .address = "127.0.0.1:1"};
  FakeWorker prefill("p1", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Route({unreachable, prefill.address(), decode.address()});
  EXPECT_EQ(NextPeers(decode, 2), (std::vector{unreachable, prefill.address()}));
}

TEST_F(RouterTest, TakesAPeerThatPrefillsNoMoreFromTheDecodeWorkers) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker other("p1", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0", "p1"});
  Route({prefill.address(), other.address(), decode.address()});
  EXPECT_EQ(NextPeers(decode, 2), (std::vector{prefill.address(), other.address()}));
  ASSERT_TRUE(AwaitThere(3));  // So that the change is seen.
  prefill.role_now = static_cast<int>(Role::kDecode);
  EXPECT_EQ(NextPeers(decode, 1), std::vector{other.address()});
  EXPECT_EQ(NextPeers(prefill, 1), std::vector{other.address()});
}

TEST_F(RouterTest, SendsNothingNewToAWorkerThatChangesItsRole) {
  FakeWorker stays("m0", Role::kMixed);
  FakeWorker changes("m1", Role::kMixed);
  changes.changing_to = static_cast<int>(Role::kPrefill);
  Route({stays.address(), changes.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  for (const char* id : {"r1", "r2", "r3"}) {
    Start(id);
    EXPECT_TRUE(stays.calls.Receive(kPatience));
  }
}

class ScaleTest : public RouterTest {
 protected:
  static constexpr Duration kDrain = std::chrono::seconds(7);

  Result<api::ScaleState> Scale(const api::RoleCounts& wanted, bool dry_run = false) {
    auto answers = std::make_shared<Mailbox<Result<api::ScaleState>>>(1);
    router_->Scale(
        {.wanted = wanted, .dry_run = dry_run, .patience = kDrain},
        [answers](Result<api::ScaleState> state) { answers->TrySend(std::move(state)); });
    return answers->Receive(kPatience).value_or(Unavailable("nothing"));
  }
  /// What became of it, once it is over.
  api::ScaleState Outcome() {
    const TimePoint deadline = Clock::System().Now() + kPatience;
    api::ScaleState state = router_->Scaling();
    Gate pause;
    while ((state.number == 0 || state.under_way) && Clock::System().Now() < deadline) {
      pause.Wait(std::chrono::milliseconds(5));
      state = router_->Scaling();
    }
    return state;
  }

  FakeWorker m0_{"m0", Role::kMixed};
  FakeWorker m1_{"m1", Role::kMixed};
  FakeWorker m2_{"m2", Role::kMixed, {"m1"}};
};

TEST_F(ScaleTest, ChangesOneWorkerAfterTheOther) {
  Route({m0_.address(), m1_.address(), m2_.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  Result<api::ScaleState> begun = Scale({.mixed = 3}, true);
  while (!begun.ok()) begun = Scale({.mixed = 3}, true);  // Until all are there.
  EXPECT_TRUE(begun->lines.empty());

  EXPECT_TRUE(Scale({.prefill = 1, .decode = 1, .mixed = 1}).ok());
  EXPECT_EQ(Scale({.mixed = 3}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(m2_.roles.Receive(kPatience), std::pair(Role::kPrefill, kDrain));
  m2_.role_now = static_cast<int>(Role::kPrefill);
  EXPECT_EQ(m1_.roles.Receive(kPatience), std::pair(Role::kDecode, kDrain));
  EXPECT_FALSE(m0_.roles.Receive(std::chrono::milliseconds(1)));
  m1_.role_now = static_cast<int>(Role::kDecode);
  // It is no use before it is joined; this one never is.
  EXPECT_TRUE(router_->Scaling().under_way);
}

/// Nobody is left for the other half of the work, and for a while nobody is joined.
TEST_F(RouterTest, LetsADecodeWorkerServeAloneWhileItsPartnerChanges) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  Route({prefill.address(), decode.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  Start("r1");
  EXPECT_EQ(decode.calls.Receive(kPatience)->first.prefill_peer, "p0");
  prefill.changing_to = static_cast<int>(Role::kMixed);
  std::string peer = "p0";
  for (int i = 0; peer == "p0" && i < 1000; ++i) {
    auto sink = Start("s" + std::to_string(i));
    auto call = decode.calls.Receive(kPatience);
    ASSERT_TRUE(call) << "nobody was asked";
    peer = call->first.prefill_peer;
    call->second->SendToken({.token = 1, .finish = FinishReason::kStop});
    call->second->Finish(OkStatus());
    while (!sink->Next().starts_with("end")) {
    }
  }
  EXPECT_EQ(peer, "");
  EXPECT_TRUE(router_->Ready().ready) << router_->Ready().reason;
}

TEST_F(ScaleTest, CallsAChangeOffThatTakesTooLong) {
  Route({m0_.address(), m1_.address(), m2_.address()});
  while (!Scale({.mixed = 3}, true).ok()) {
  }
  auto answers = std::make_shared<Mailbox<int>>(1);
  router_->Scale({.wanted = {.prefill = 1, .mixed = 2}, .timeout = std::chrono::milliseconds(20)},
                 [answers](const Result<api::ScaleState>&) { answers->TrySend(1); });
  ASSERT_TRUE(answers->Receive(kPatience));
  EXPECT_EQ(m2_.roles.Receive(kPatience)->first, Role::kPrefill);
  EXPECT_EQ(m2_.roles.Receive(kPatience)->first, Role::kMixed);
  EXPECT_EQ(Outcome().outcome.code(), StatusCode::kDeadlineExceeded);
}

TEST_F(ScaleTest, IsNotForTheOperatorWhileTheRouterChoosesTheRoles) {
  Route({.workers = {m0_.address(), m1_.address(), m2_.address()}, .auto_ratio = true});
  while (!Scale({.mixed = 3}, true).ok()) {
  }
  EXPECT_EQ(Scale({.mixed = 3}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ScaleTest, DoesNothingWhileAWorkerIsAway) {
  Route({m0_.address(), {.name = "m9", .address = "127.0.0.1:1"}});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  EXPECT_EQ(Scale({.mixed = 2}).status(), Unavailable("worker m9 is not there"));
}

TEST_F(RouterTest, IsNotReadyWithoutACompleteGroup) {
  FakeWorker decode("d0", Role::kDecode);
  Route({decode.address()});
  ASSERT_TRUE(decode.peers.Receive(kPatience));
  EXPECT_FALSE(router_->Ready().ready);
  const auto sink = Start("r1");
  EXPECT_EQ(sink->Next(), "refused no_worker");
  EXPECT_EQ(sink->Next(), "end Unavailable: no prefill worker is ready");
}

TEST_F(RouterTest, CancelsAtTheWorker) {
  FakeWorker worker("m0", Role::kMixed);
  Route({worker.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = Start("r1");
  const auto call = worker.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  router_->Cancel("r1");
  EXPECT_EQ(worker.ended.Receive(kPatience), call->second.get());
  EXPECT_TRUE(sink->Next().starts_with("end Cancelled"));
}

class RouterQueue : public RouterTest {
 protected:
  using Call = std::pair<rpc::GenerateCall, std::shared_ptr<rpc::GenerateStream>>;

  Call NextCall() {
    auto call = worker_.calls.Receive(kPatience);
    EXPECT_TRUE(call);
    return call ? std::move(*call) : Call{};
  }
  double SumOf(const std::string& name) const {
    double sum = 0;
    for (const auto& family : registry_.Collect().families) {
      if (family.name != name) continue;
      for (const auto& sample : family.samples) sum += sample.value;
    }
    return sum;
  }

  FakeWorker worker_{"m0", Role::kMixed};
};

TEST_F(RouterQueue, HoldsWhatWouldOnlyWaitAtTheWorker) {
  worker_.limits = {.running_sequences = 1};
  Route({worker_.address()}, 64);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(Start("r" + std::to_string(i)));
  const auto urgent = std::make_shared<RecordingSink>();
  router_->Start({.id = "urgent", .prompt = {1}, .priority = -1}, urgent);
  // One that runs and four to spare.
  std::vector<Call> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(NextCall());
  EXPECT_FALSE(worker_.calls.Receive(std::chrono::milliseconds(50)));
  EXPECT_EQ(SumOf("baton_queue_requests"), 2);

  calls[0].second->Finish(Internal("x"));
  EXPECT_EQ(NextCall().first.request.id, "urgent");
  calls[1].second->Finish(Internal("x"));
  EXPECT_EQ(NextCall().first.request.id, "r5");
}

TEST_F(RouterQueue, HoldsPromptsBeyondWhatAWorkerComputesInTwoSteps) {
  worker_.limits = {.step_tokens = 4};
  Route({worker_.address()}, 64);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  for (int i = 0; i < 4; ++i) Start("r" + std::to_string(i));
  std::vector<Call> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(NextCall());
  EXPECT_FALSE(worker_.calls.Receive(std::chrono::milliseconds(50)));
  calls[0].second->SendToken({.token = 4});
  EXPECT_EQ(NextCall().first.request.id, "r3");
}

TEST_F(RouterQueue, GivesUpARequestThatIsCancelledThere) {
  worker_.limits = {.running_sequences = 1};
  Route({worker_.address()}, 64);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(Start("r" + std::to_string(i)));
  router_->Cancel("r5");
  EXPECT_EQ(sinks[5]->Next(), "end Cancelled: its client gave it up");
  EXPECT_EQ(router_->RequestsUnderWay(), 5);
}

TEST_F(RouterQueue, EndsWhatWaitsWhenTheRouterDoes) {
  worker_.limits = {.running_sequences = 1};
  Route({worker_.address()}, 64);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 6; ++i) sinks.push_back(Start("r" + std::to_string(i)));
  for (int i = 0; i < 5; ++i) NextCall();
  router_.reset();
  EXPECT_EQ(sinks[5]->Next(), "refused shutdown");
  EXPECT_EQ(sinks[5]->Next(), "end Unavailable: the router is shutting down");
}

TEST_F(RouterQueue, WaitsForAWorkerThatIsNotReadyYet) {
  const rpc::PeerAddress address = worker_.address();
  worker_.Stop();
  Route({.workers = {address}, .no_worker_wait = kPatience});
  const auto sink = Start("r1");
  FakeWorker late("m0", Role::kMixed, {}, address.address);
  const auto call = late.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->first.request.id, "r1");
}

TEST_F(RouterQueue, RefusesWhatABusyWorkerCannotServeInTimeButTriesAnIdleOne) {
  worker_.calibration = Calibration();
  Route({.workers = {worker_.address()}, .overload = Overload::kRefuse});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const Request hopeless{.prompt = std::vector<TokenId>(2000, 1),
                         .slo = {.ttft = std::chrono::milliseconds(10)}};
  Request first = hopeless, second = hopeless;
  first.id = "r1";
  second.id = "r2";
  router_->Start(first, std::make_shared<RecordingSink>());
  EXPECT_EQ(NextCall().first.request.id, "r1");
  const auto refused = std::make_shared<RecordingSink>();
  router_->Start(second, refused);
  EXPECT_EQ(refused->Next(), "refused slo_unattainable");
  EXPECT_TRUE(refused->Next().starts_with("end ResourceExhausted: the first token would come"));
}

TEST_F(RouterTest, RefusesMoreThanItsLimit) {
  FakeWorker worker("m0", Role::kMixed);
  Route({worker.address()}, 1);
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto first = Start("r1");
  ASSERT_TRUE(worker.calls.Receive(kPatience));
  EXPECT_TRUE(Start("r2")->Next().starts_with("end ResourceExhausted"));
}

TEST_F(RouterTest, GoesOnAtALostWorkerThatComesBack) {
  auto worker = std::make_unique<FakeWorker>("m0", Role::kMixed);
  const rpc::PeerAddress address = worker->address();
  Route({address});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = Start("r1");
  ASSERT_TRUE(worker->calls.Receive(kPatience));
  worker->Stop();
  FakeWorker again("m0", Role::kMixed, {}, address.address);
  const auto call = again.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  call->second->SendToken({.token = 4, .finish = FinishReason::kStop});
  call->second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "token 4");
  EXPECT_EQ(sink->Next(), "end OK");
}

TEST_F(RouterTest, EndsRequestsOfASilentWorkerAndDialsItAnew) {
  FakeWorker worker("m0", Role::kMixed, {}, "127.0.0.1:0", std::chrono::hours(1));
  Route({.workers = {worker.address()}, .retry = {.attempts = 1}});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto lost = Start("r1");
  ASSERT_TRUE(worker.calls.Receive(kPatience));
  EXPECT_EQ(lost->Next(), "end Unavailable: worker m0: it was lost: it was silent for 900 ms");
  EXPECT_TRUE(worker.ended.Receive(kPatience));
  std::optional<std::pair<rpc::GenerateCall, std::shared_ptr<rpc::GenerateStream>>> call;
  for (int i = 0; !call && i < 1000; ++i) {
    Start("again" + std::to_string(i));
    call = worker.calls.Receive(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(call);
}

TEST_F(RouterTest, ShowsTheFiguresOfItsWorkers) {
  FakeWorker worker("m0", Role::kMixed);
  Route({worker.address()});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const std::string text = router_->RenderMetrics();
  EXPECT_NE(text.find("baton_test_gauge{worker=\"m0\"} 5"), std::string::npos) << text;
  EXPECT_NE(text.find("baton_ttft_seconds_bucket"), std::string::npos);
}

TEST_F(RouterTest, TakesAStreamWithoutALastTokenForAFailure) {
  FakeWorker worker("m0", Role::kMixed);
  Route({.workers = {worker.address()}, .retry = {.attempts = 1}});
  ASSERT_TRUE(router_->WaitReady(kPatience));
  const auto sink = Start("r1");
  const auto call = worker.calls.Receive(kPatience);
  ASSERT_TRUE(call);
  call->second->SendToken({.token = 4});
  call->second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "token 4");
  EXPECT_TRUE(sink->Next().starts_with("end Unavailable"));
}

/// Requests that one worker does not finish.
class RouterResumes : public RouterTest {
 protected:
  using Call = std::pair<rpc::GenerateCall, std::shared_ptr<rpc::GenerateStream>>;

  void RouteTo(std::vector<rpc::PeerAddress> workers, RetryOptions retry = {}) {
    Route({.workers = workers, .policy = "round_robin", .retry = retry});
    AwaitAll(workers);
  }
  void AwaitAll(const std::vector<rpc::PeerAddress>& workers) {
    ASSERT_TRUE(router_->WaitReady(kPatience));
    const TimePoint deadline = Clock::System().Now() + kPatience;
    for (const rpc::PeerAddress& worker : workers) {
      const std::string figure = "baton_test_gauge{worker=\"" + worker.name + "\"}";
      while (router_->RenderMetrics().find(figure) == std::string::npos) {
        ASSERT_LT(Clock::System().Now(), deadline);
        std::this_thread::yield();
      }
    }
  }
  /// The next call at one of the workers, whoever gets it.
  Call NextOf(std::vector<FakeWorker*> workers) {
    const TimePoint deadline = Clock::System().Now() + kPatience;
    while (Clock::System().Now() < deadline) {
      for (FakeWorker* worker : workers) {
        if (auto call = worker->calls.Receive(std::chrono::milliseconds(1))) {
          asked_.push_back(worker);
          return *call;
        }
      }
    }
    ADD_FAILURE() << "no call";
    return {};
  }
  double Count(const std::string& name, const std::string& cause) const {
    for (const auto& family : registry_.Collect().families) {
      if (family.name != name) continue;
      for (const auto& sample : family.samples) {
        if (sample.labels.front().second == cause) return sample.value;
      }
    }
    return 0;
  }
  /// A request of which a worker emitted 7 and 8 before it failed; what the next one is asked.
  rpc::GenerateCall Resumed(Request request) {
    FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
    RouteTo({a.address(), b.address()});
    router_->Start(std::move(request), std::make_shared<RecordingSink>());
    const Call first = NextOf({&a, &b});
    first.second->SendToken({.token = 7});
    first.second->SendToken({.token = 8});
    first.second->Finish(Unavailable("x"));
    return NextOf({&a, &b}).first;
  }

  /// By NextOf().
  std::vector<FakeWorker*> asked_;
};

TEST_F(RouterResumes, AfterTheFirstTokenWhatItsClientTakesForOneStream) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  RouteTo({a.address(), b.address()});
  const auto sink = Start("r1");
  const Call first = NextOf({&a, &b});
  first.second->SendToken({.token = 7});
  first.second->Finish(Unavailable("x"));
  const Call second = NextOf({&a, &b});
  second.second->SendToken({.token = 8, .finish = FinishReason::kStop});
  second.second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "token 7");
  EXPECT_EQ(sink->Next(), "token 8");
  EXPECT_EQ(sink->Next(), "end OK");
  EXPECT_EQ(second.first.reason, "resume");
  EXPECT_EQ(Count("baton_resumes_total", "lost"), 1);
  EXPECT_EQ(Count("baton_retries_total", "lost"), 0);
}

TEST_F(RouterResumes, FromThePromptAndWhatWasEmitted) {
  const rpc::GenerateCall call = Resumed({.id = "r1", .prompt = {1, 2, 3}, .grammar = "g"});
  EXPECT_EQ(call.request.prompt, (std::vector<TokenId>{1, 2, 3, 7, 8}));
  EXPECT_EQ(call.request.emitted_tokens, 2);
  EXPECT_EQ(call.request.grammar, "g");
}

TEST_F(RouterResumes, WithoutTheLogprobsOfAPromptThatItsClientHas) {
  const rpc::GenerateCall call =
      Resumed({.id = "r1", .prompt = {1, 2}, .sampling = {.prompt_logprobs = 1}});
  EXPECT_EQ(call.request.sampling.prompt_logprobs, -1);
}

TEST_F(RouterResumes, BeforeTheFirstTokenWithThePromptAlone) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  RouteTo({a.address(), b.address()});
  router_->Start({.id = "r1", .prompt = {1}, .sampling = {.prompt_logprobs = 1}},
                 std::make_shared<RecordingSink>());
  NextOf({&a, &b}).second->Finish(Internal("sick").WithBlast(Blast::kWorker));
  const Call second = NextOf({&a, &b});
  EXPECT_EQ(second.first.request.prompt, std::vector<TokenId>{1});
  EXPECT_EQ(second.first.request.sampling.prompt_logprobs, 1);
  EXPECT_EQ(second.first.reason, "retry");
  EXPECT_EQ(Count("baton_retries_total", "sick"), 1);
}

TEST_F(RouterResumes, ElsewhereAsLongAsThereIsAnother) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed), c("m2", Role::kMixed);
  RouteTo({a.address(), b.address(), c.address()});
  Start("r1");
  for (int i = 0; i < 3; ++i) NextOf({&a, &b, &c}).second->Finish(Unavailable("x"));
  EXPECT_THAT(asked_, testing::UnorderedElementsAre(&a, &b, &c));
}

TEST_F(RouterResumes, WithTheModelThatTheTokensCameFrom) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed), c("m2", Role::kMixed);
  a.fingerprint = c.fingerprint = "old";
  b.fingerprint = "new";
  RouteTo({a.address(), b.address(), c.address()});
  Start("r1");
  const Call first = NextOf({&a});
  first.second->SendToken({.token = 7});
  first.second->Finish(Unavailable("x"));
  NextOf({&b, &c});
  EXPECT_EQ(asked_.back(), &c);
}

TEST_F(RouterResumes, NoTokensOfAModelThatIsGone) {
  auto a = std::make_unique<FakeWorker>("m0", Role::kMixed);
  FakeWorker b("m1", Role::kMixed);
  a->fingerprint = "old";
  b.fingerprint = "new";
  RouteTo({a->address(), b.address()}, {.attempts = 100, .wait = std::chrono::milliseconds(50)});
  const auto sink = Start("r1");
  NextOf({a.get()}).second->SendToken({.token = 7});
  EXPECT_EQ(sink->Next(), "token 7");
  a.reset();
  EXPECT_THAT(sink->Next(), testing::HasSubstr("no worker has the model that 1 tokens came from "
                                               "(fingerprint old)"));
}

TEST_F(RouterResumes, WithAnyModelBeforeTheFirstToken) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  a.fingerprint = "old";
  b.fingerprint = "new";
  RouteTo({a.address(), b.address()});
  Start("r1");
  NextOf({&a}).second->Finish(Unavailable("x"));
  EXPECT_EQ(NextOf({&b}).first.reason, "retry");
}

TEST_F(RouterResumes, NothingThatIsTheClientsFault) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  RouteTo({a.address(), b.address()});
  const auto sink = Start("r1");
  NextOf({&a, &b}).second->Finish(InvalidArgument("bad"));
  EXPECT_THAT(sink->Next(), testing::MatchesRegex("end InvalidArgument: worker m.: bad"));
}

TEST_F(RouterResumes, AtAnotherWhereOneIsFullAndRefusesWhereAllAre) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  RouteTo({a.address(), b.address()});
  const auto sink = Start("r1");
  for (int i = 0; i < 2; ++i) NextOf({&a, &b}).second->Finish(ResourceExhausted("full"));
  EXPECT_TRUE(sink->Next().starts_with("end ResourceExhausted"));
  EXPECT_EQ(Count("baton_retries_total", "full"), 2);
}

TEST_F(RouterResumes, OnTheDecodeWorkerWhenThePrefillWorkerFails) {
  FakeWorker prefill("p0", Role::kPrefill);
  FakeWorker decode("d0", Role::kDecode, {"p0"});
  RouteTo({prefill.address(), decode.address()});
  Start("r1");
  const Call first = NextOf({&decode});
  EXPECT_EQ(first.first.prefill_peer, "p0");
  first.second->Finish(Unavailable("p0 is gone").WithBlast(Blast::kPeer));
  EXPECT_EQ(NextOf({&decode}).first.prefill_peer, "");
  EXPECT_EQ(Count("baton_retries_total", "peer"), 1);
}

TEST_F(RouterResumes, OnlySoOften) {
  FakeWorker worker("m0", Role::kMixed);
  RouteTo({worker.address()}, {.attempts = 3});
  const auto sink = Start("r1");
  for (int i = 0; i < 3; ++i) NextOf({&worker}).second->Finish(Unavailable("x"));
  EXPECT_EQ(sink->Next(), "end Unavailable: worker m0: x; given up after 3 attempts");
}

TEST_F(RouterResumes, OnlyForSoLongWhereNobodyComesBack) {
  auto worker = std::make_unique<FakeWorker>("m0", Role::kMixed);
  RouteTo({worker->address()}, {.attempts = 100, .wait = std::chrono::milliseconds(50)});
  const auto sink = Start("r1");
  ASSERT_TRUE(worker->calls.Receive(kPatience));
  worker.reset();
  EXPECT_TRUE(sink->Next().starts_with("end Unavailable: worker m0: "));
}

TEST_F(RouterResumes, NothingThatItsClientGivesUpMeanwhile) {
  auto worker = std::make_unique<FakeWorker>("m0", Role::kMixed);
  RouteTo({worker->address()});
  const auto sink = Start("r1");
  ASSERT_TRUE(worker->calls.Receive(kPatience));
  worker.reset();
  router_->Cancel("r1");
  EXPECT_TRUE(sink->Next().starts_with("end Cancelled"));
}

TEST_F(RouterResumes, WhatAWedgedWorkerHas) {
  FakeWorker a("m0", Role::kMixed), b("m1", Role::kMixed);
  Route(
      {.workers = {a.address(), b.address()}, .progress_timeout = std::chrono::milliseconds(100)});
  AwaitAll({a.address(), b.address()});
  const auto sink = Start("r1");
  // Whoever has it says from now on that it is busy, and takes no turn.
  Call first;
  while (!first.second) {
    for (FakeWorker* worker : {&a, &b}) {
      auto call = worker->calls.Receive(std::chrono::milliseconds(1));
      if (!call) continue;
      first = *call;
      worker->loop.Post({.name = "engine", .turns = 5, .busy = true});
    }
  }
  const Call second = NextOf({&a, &b});
  first.second->SendToken({.token = 1});  // Too late.
  second.second->SendToken({.token = 9, .finish = FinishReason::kStop});
  second.second->Finish(OkStatus());
  EXPECT_EQ(sink->Next(), "token 9");
  EXPECT_EQ(Count("baton_retries_total", "stuck"), 1);
}

}  // namespace
}  // namespace baton::router
