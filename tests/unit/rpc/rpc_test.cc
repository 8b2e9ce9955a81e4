#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/gate.h"
#include "baton/base/mailbox.h"
#include "baton/rpc/client.h"
#include "baton/rpc/server.h"

namespace baton::rpc {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

cost::StepSample SomeStep(uint64_t number) {
  return {.number = number,
          .shape = {.prefill_tokens = 1,
                    .prefill_attended = 2,
                    .decode_sequences = 3,
                    .decode_context = 4},
          .took = std::chrono::microseconds(5)};
}

HandoffSample SomeHandoff() {
  return {.number = 1, .peer = "p0", .bytes = 2, .took = std::chrono::microseconds(3)};
}

LoopProgress SomeLoop() { return {.name = "engine", .turns = uint64_t{1} << 40, .busy = true}; }

WorkerDescription SomeWorker() {
  return {.identity = {.protocol_version = handoff::kProtocolVersion,
                       .epoch = {.high = 0xFEDCBA9876543210, .low = 7},
                       .name = "p7",
                       .fingerprint = "f00d",
                       .geometry = {.layers = 6, .kv_heads = 2, .head_dim = 32}},
          .role = Role::kPrefill,
          .context_tokens = 2048,
          .vocabulary_size = 512,
          .transport_address = std::string("\0\xFF bytes", 8),
          .limits = {.kv_blocks = 7, .running_sequences = 8, .step_tokens = 9},
          .calibration = {SomeStep(1)}};
}

/// Keeps what it is called with.
class RecordingHandler final : public WorkerHandler {
 public:
  WorkerDescription Describe() override { return SomeWorker(); }
  WorkerStatus CurrentStatus() override {
    return {.running = 3,
            .waiting = 4,
            .draining = true,
            .role = Role::kMixed,
            .changing_to = Role::kPrefill,
            .joined_peers = {"p0", "p1"},
            .join_problems = {{"p2", "it is away"}},
            .peers = {{"p2", "127.0.0.1:9"}},
            .load = {.prefill_tokens = 5,
                     .decode_sequences = 6,
                     .decode_context = 7,
                     .available_blocks = 8},
            .steps = {SomeStep(3), SomeStep(4)},
            .handoffs = {SomeHandoff()},
            .loops = {SomeLoop()}};
  }
  kv::PrefixUpdate NextPrefixes(kv::PrefixCursor& cursor) override {
    return {.number = ++cursor.updates,
            .reset = cursor.updates == 1,
            .changes = {{.key = kv::PrefixKey{~uint64_t{0}}, .stored = true},
                        {.key = kv::PrefixKey{3}, .stored = false}}};
  }
  void SetPeers(std::vector<PeerAddress> wanted) override { peers.TrySend(std::move(wanted)); }
  Status SetRole(Role role, Duration patience) override {
    if (role == Role::kMixed) return FailedPrecondition("never mixed");
    roles.TrySend({role, patience});
    return OkStatus();
  }
  void OnGenerate(GenerateCall call, std::shared_ptr<GenerateStream> stream) override {
    generate.TrySend({std::move(call), std::move(stream)});
  }
  void OnGenerateEnded(GenerateStream* stream) override {
    generate_ended.TrySend(std::move(stream));
  }
  void OnJoin(JoinHello hello, std::shared_ptr<JoinStream> stream) override {
    joins.TrySend({std::move(hello), std::move(stream)});
  }
  void OnJoinAlive(JoinStream* stream) override { join_alive.TrySend(std::move(stream)); }
  void OnJoinEnded(JoinStream* stream) override { join_ended.TrySend(std::move(stream)); }

  Mailbox<std::vector<PeerAddress>> peers{8};
  Mailbox<std::pair<Role, Duration>> roles{8};
  Mailbox<std::pair<GenerateCall, std::shared_ptr<GenerateStream>>> generate{8};
  Mailbox<GenerateStream*> generate_ended{8};
  Mailbox<std::pair<JoinHello, std::shared_ptr<JoinStream>>> joins{8};
  Mailbox<JoinStream*> join_alive{8};
  Mailbox<JoinStream*> join_ended{8};
};

class Rpc : public testing::Test {
 protected:
  Rpc()
      : server_(*WorkerServer::Start("127.0.0.1:0", handler_, std::chrono::milliseconds(5))),
        client_(WorkerClient::Create(server_->address())) {}

  /// Asks for it; returns where its tokens come, so many before they are taken.
  std::shared_ptr<Mailbox<TokenOutput>> Generate(std::vector<TokenId> prompt, size_t capacity) {
    const auto tokens = std::make_shared<Mailbox<TokenOutput>>(capacity);
    client_->Generate(
        {.request = {.id = "r", .prompt = std::move(prompt)}},
        {.on_route = [](std::string) {},
         .on_token = [tokens](TokenOutput output) { tokens->TrySend(std::move(output)); },
         .on_end = [](Status) {}});
    return tokens;
  }

  RecordingHandler handler_;
  std::unique_ptr<WorkerServer> server_;
  std::unique_ptr<WorkerClient> client_;
};

/// The events of a call, as one line each. Callbacks share it, as they may outlast the test's wait.
struct GenerateEvents {
  std::shared_ptr<Mailbox<std::string>> lines = std::make_shared<Mailbox<std::string>>(1024);
  GenerateCallbacks Callbacks() {
    return {
        .on_route = [lines = lines](std::string route) { lines->TrySend("route " + route); },
        .on_token =
            [lines = lines](TokenOutput output) {
              lines->TrySend("token " + std::to_string(output.token) + " at " +
                             std::to_string(output.position));
            },
        .on_end = [lines = lines](Status status) { lines->TrySend("end " + status.ToString()); }};
  }
  std::string Next() { return lines->Receive(kPatience).value_or("nothing"); }
};

TEST_F(Rpc, DescribesTheWorkerWhole) {
  const auto replies = std::make_shared<Mailbox<Result<WorkerDescription>>>(1);
  client_->Describe(kPatience, [replies](auto reply) { replies->TrySend(std::move(reply)); });
  const auto reply = replies->Receive(kPatience);
  ASSERT_TRUE(reply && reply->ok());
  const WorkerDescription& got = **reply;
  EXPECT_EQ(got.identity.epoch, SomeWorker().identity.epoch);
  EXPECT_EQ(got.identity.geometry, SomeWorker().identity.geometry);
  EXPECT_EQ(got.identity.name, "p7");
  EXPECT_EQ(got.role, Role::kPrefill);
  EXPECT_EQ(got.transport_address, SomeWorker().transport_address);
  EXPECT_EQ(got.limits.step_tokens, 9);
  EXPECT_EQ(got.calibration, std::vector{SomeStep(1)});
}

TEST_F(Rpc, BringsEveryFieldOfARequest) {
  SamplingParams sampling{.temperature = 0.5f, .top_k = 3, .top_p = 0.25f, .min_p = 0.125f};
  sampling.seed = 0xFFFFFFFFFFFFFFFF;
  sampling.stop_token_ids = {5, 6};
  sampling.logit_bias = {{7, -100}, {9, 0.5f}};
  sampling.logprobs = 2;
  sampling.prompt_logprobs = 0;
  const TraceContext context{.trace = {1, 2}, .span = SpanId(3), .sampled = true, .state = "a=1"};
  GenerateEvents events;
  client_->Generate({.request = {.id = "r",
                                 .prompt = {1, 2},
                                 .emitted_tokens = 1,
                                 .sampling = sampling,
                                 .grammar = "root ::= [a-z]+",
                                 .cache_salt = 9,
                                 .priority = -4,
                                 .timings = true,
                                 .trace = true,
                                 .context = context},
                     .prefill_peer = "p0"},
                    events.Callbacks());
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->first.request.prompt, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(got->first.request.sampling, sampling);
  EXPECT_EQ(got->first.request.grammar, "root ::= [a-z]+");
  EXPECT_EQ(got->first.request.emitted_tokens, 1);
  EXPECT_EQ(got->first.request.cache_salt, 9U);
  EXPECT_EQ(got->first.request.priority, -4);
  EXPECT_TRUE(got->first.request.timings);
  EXPECT_TRUE(got->first.request.trace);
  EXPECT_EQ(got->first.request.context, context);
  EXPECT_EQ(got->first.prefill_peer, "p0");
  got->second->Finish(OkStatus());
  EXPECT_EQ(events.Next(), "end OK");
}

TEST_F(Rpc, StreamsEventsInOrderThenTheStatus) {
  GenerateEvents events;
  client_->Generate({.request = {.id = "r", .prompt = {1}}}, events.Callbacks());
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->second->SendRoute("local=m0"));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(got->second->SendToken({.token = i, .position = i + 1}));
  }
  got->second->Finish(ResourceExhausted("no memory"));
  EXPECT_FALSE(got->second->SendToken({.token = 0}));
  EXPECT_EQ(events.Next(), "route local=m0");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(events.Next(), "token " + std::to_string(i) + " at " + std::to_string(i + 1));
  }
  EXPECT_EQ(events.Next(), "end ResourceExhausted: no memory");
}

TEST_F(Rpc, BringsEachTokenOfABurstInOrder) {
  const auto tokens = Generate({1}, 4096);
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  // More than one event holds, faster than events go.
  for (int32_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(
        got->second->SendToken({.token = i,
                                .position = i + 1,
                                .finish = i == 2999 ? FinishReason::kLength : FinishReason::kNone,
                                .logprob = -0.5f * static_cast<float>(i)}));
  }
  got->second->Finish(OkStatus());
  for (int32_t i = 0; i < 3000; ++i) {
    const auto token = tokens->Receive(kPatience);
    ASSERT_TRUE(token);
    ASSERT_EQ(token->token, i);
    ASSERT_EQ(token->position, i + 1);
    ASSERT_EQ(token->logprob, -0.5f * static_cast<float>(i));
    ASSERT_EQ(token->finish == FinishReason::kLength, i == 2999);
  }
}

TEST_F(Rpc, BringsLogprobsOfALongPromptWithTheFirstToken) {
  const auto tokens = Generate(std::vector<TokenId>(3001, 1), 2);
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  PromptLogprobs logprobs;
  for (int32_t i = 0; i < 3000; ++i) {
    logprobs.push_back({.logprob = -0.25f * static_cast<float>(i), .rank = i, .top = {{i, -0.5f}}});
  }
  TokenOutput first{.token = 1};
  first.prompt_logprobs = std::make_shared<const PromptLogprobs>(std::move(logprobs));
  EXPECT_TRUE(got->second->SendToken(first));
  EXPECT_TRUE(got->second->SendToken({.token = 2}));
  got->second->Finish(OkStatus());
  const auto token = tokens->Receive(kPatience);
  ASSERT_TRUE(token && token->prompt_logprobs);
  ASSERT_EQ(token->prompt_logprobs->size(), 3000u);
  const PromptLogprob& last = token->prompt_logprobs->back();
  EXPECT_EQ(last.logprob, -0.25f * 2999);
  EXPECT_EQ(last.rank, 2999);
  EXPECT_EQ(last.top.at(0).token, 2999);
  EXPECT_FALSE(tokens->Receive(kPatience)->prompt_logprobs);
}

TEST_F(Rpc, TakesNoMoreLogprobsThanThePromptHasTokens) {
  const auto tokens = Generate({1, 2, 3}, 1);
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  TokenOutput first{.token = 1};
  first.prompt_logprobs = std::make_shared<const PromptLogprobs>(50);
  EXPECT_TRUE(got->second->SendToken(first));
  got->second->Finish(OkStatus());
  const auto token = tokens->Receive(kPatience);
  ASSERT_TRUE(token && token->prompt_logprobs);
  EXPECT_TRUE(token->prompt_logprobs->empty());
}

TEST_F(Rpc, TakesAFinishOfALaterBuildForAStop) {
  const auto tokens = Generate({1}, 1);
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->second->SendToken({.token = 1, .finish = FinishReason{77}}));
  const auto token = tokens->Receive(kPatience);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->finish, FinishReason::kStop);
  got->second->Finish(OkStatus());
}

/// How a call ends that the worker ends with `status`; with none it goes away.
Status EndOf(WorkerClient& client, RecordingHandler& handler,
             const std::function<void(GenerateStream&)>& end) {
  const auto ended = std::make_shared<Mailbox<Status>>(1);
  client.Generate({.request = {.id = "r", .prompt = {1}}},
                  {.on_route = [](std::string) {},
                   .on_token = [](TokenOutput) {},
                   .on_end = [ended](Status status) { ended->TrySend(std::move(status)); }});
  const auto got = handler.generate.Receive(kPatience);
  if (got) end(*got->second);
  return ended->Receive(kPatience).value_or(OkStatus());
}

TEST_F(Rpc, BringsWhatAnErrorIsOf) {
  for (const Blast blast : {Blast::kRequest, Blast::kPeer, Blast::kWorker}) {
    const Status status = Internal("x").WithBlast(blast);
    EXPECT_EQ(EndOf(*client_, handler_, [&](GenerateStream& stream) { stream.Finish(status); }),
              status);
  }
}

TEST_F(Rpc, TakesABrokenConnectionForAnErrorOfTheWorker) {
  const Status status = EndOf(*client_, handler_, [&](GenerateStream&) { server_->Shutdown(); });
  EXPECT_EQ(status.blast(), Blast::kWorker);
}

TEST_F(Rpc, TellsTheWorkerOfACancelledCall) {
  GenerateEvents events;
  const auto call = client_->Generate({.request = {.id = "r", .prompt = {1}}}, events.Callbacks());
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  call->Cancel();
  EXPECT_EQ(handler_.generate_ended.Receive(kPatience), got->second.get());
  EXPECT_FALSE(got->second->SendToken({.token = 1}));
  EXPECT_TRUE(events.Next().starts_with("end Cancelled"));
}

TEST_F(Rpc, EndsCallsWhenTheServerGoes) {
  GenerateEvents events;
  client_->Generate({.request = {.id = "r", .prompt = {1}}}, events.Callbacks());
  ASSERT_TRUE(handler_.generate.Receive(kPatience));
  server_->Shutdown();
  EXPECT_TRUE(events.Next().starts_with("end "));
  EXPECT_TRUE(handler_.generate_ended.Receive(kPatience));
}

TEST_F(Rpc, WatchesAtIntervalsUntilCancelled) {
  const auto statuses = std::make_shared<Mailbox<WorkerStatus>>(1024);
  const auto ended = std::make_shared<Gate>();
  const auto call = client_->Watch(
      {.on_status = [statuses](WorkerStatus status) { statuses->TrySend(std::move(status)); },
       .on_end = [ended](Status) { ended->Open(); }});
  for (int i = 0; i < 3; ++i) {
    const auto status = statuses->Receive(kPatience);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->waiting, 4);
    EXPECT_TRUE(status->draining);
    EXPECT_EQ(status->role, Role::kMixed);
    EXPECT_EQ(status->changing_to, Role::kPrefill);
    EXPECT_EQ(status->joined_peers, (std::vector<std::string>{"p0", "p1"}));
    EXPECT_EQ(status->join_problems, (std::vector<rpc::JoinProblem>{{"p2", "it is away"}}));
    EXPECT_EQ(status->peers, (std::vector<rpc::PeerAddress>{{"p2", "127.0.0.1:9"}}));
    EXPECT_EQ(status->load.decode_context, 7);
    EXPECT_EQ(status->load.available_blocks, 8);
    EXPECT_EQ(status->steps, (std::vector{SomeStep(3), SomeStep(4)}));
    EXPECT_EQ(status->handoffs, std::vector{SomeHandoff()});
    EXPECT_EQ(status->loops, std::vector{SomeLoop()});
    EXPECT_EQ(status->prefixes.number, static_cast<uint64_t>(i + 1));
    EXPECT_EQ(status->prefixes.reset, i == 0);
    EXPECT_EQ(status->prefixes.changes,
              (std::vector<kv::PrefixChange>{{kv::PrefixKey{~uint64_t{0}}, true},
                                             {kv::PrefixKey{3}, false}}));
  }
  call->Cancel();
  EXPECT_TRUE(ended->Wait(kPatience));
}

TEST_F(Rpc, JoinsUntilEitherSideGoes) {
  const auto accepted = std::make_shared<Mailbox<JoinHello>>(1);
  const auto ended = std::make_shared<Gate>();
  const auto call = client_->Join(
      {.worker = SomeWorker(), .connection = 42},
      {.on_accepted = [accepted](JoinHello hello) { accepted->TrySend(std::move(hello)); },
       .on_alive = [] {},
       .on_end = [ended](Status) { ended->Open(); }});
  const auto join = handler_.joins.Receive(kPatience);
  ASSERT_TRUE(join);
  EXPECT_EQ(join->first.connection, 42U);
  join->second->Accept({.worker = SomeWorker(), .connection = 42});
  const auto hello = accepted->Receive(kPatience);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->connection, 42U);
  call->Cancel();
  EXPECT_EQ(handler_.join_ended.Receive(kPatience), join->second.get());
  EXPECT_TRUE(ended->Wait(kPatience));
}

TEST_F(Rpc, BringsSignsOfLifeBothWays) {
  const auto accepted = std::make_shared<Mailbox<JoinHello>>(1);
  const auto alive = std::make_shared<Mailbox<int>>(8);
  const auto call = client_->Join(
      {.worker = SomeWorker(), .connection = 42, .silence = std::chrono::milliseconds(750)},
      {.on_accepted = [accepted](JoinHello hello) { accepted->TrySend(std::move(hello)); },
       .on_alive = [alive] { alive->TrySend(1); },
       .on_end = [](Status) {}});
  const auto join = handler_.joins.Receive(kPatience);
  ASSERT_TRUE(join);
  EXPECT_EQ(join->first.silence, std::chrono::milliseconds(750));
  join->second->SendAlive();  // Not before the answer.
  join->second->Accept({.worker = SomeWorker(), .connection = 42});
  ASSERT_TRUE(accepted->Receive(kPatience));
  // One that comes while the one before has not left is left out.
  const auto arrives = [](const auto& send, auto& inbox) {
    for (int i = 0; i < 1000; ++i) {
      send();
      if (inbox.Receive(std::chrono::milliseconds(20))) return true;
    }
    return false;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(arrives([&] { call->SendAlive(); }, handler_.join_alive));
    EXPECT_TRUE(arrives([&] { join->second->SendAlive(); }, *alive));
  }
  join->second->Refuse(Unavailable("silent"));
  EXPECT_EQ(handler_.join_ended.Receive(kPatience), join->second.get());
  call->SendAlive();
  join->second->SendAlive();
}

TEST_F(Rpc, RefusesAJoinWithTheReason) {
  const auto ends = std::make_shared<Mailbox<Status>>(1);
  client_->Join({.worker = SomeWorker(), .connection = 1},
                {.on_accepted = [](JoinHello) { FAIL(); },
                 .on_alive = [] {},
                 .on_end = [ends](Status status) { ends->TrySend(std::move(status)); }});
  const auto join = handler_.joins.Receive(kPatience);
  ASSERT_TRUE(join);
  join->second->Refuse(FailedPrecondition("head_dim differs: 32 and 64"));
  const auto end = ends->Receive(kPatience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->message(), "head_dim differs: 32 and 64");
  EXPECT_EQ(end->code(), StatusCode::kFailedPrecondition);
}

TEST_F(Rpc, BringsEveryFieldOfAReport) {
  const auto reports = std::make_shared<Mailbox<GenerateReport>>(1);
  GenerateCallbacks callbacks = GenerateEvents().Callbacks();
  callbacks.on_report = [reports](GenerateReport report) { reports->TrySend(std::move(report)); };
  client_->Generate({.request = {.id = "r", .prompt = {1}}}, std::move(callbacks));
  const auto got = handler_.generate.Receive(kPatience);
  ASSERT_TRUE(got);
  using std::chrono::microseconds;
  const HandoffTimings timings{.reserve = microseconds(1),
                               .stages = {.queued = microseconds(2),
                                          .prefill = microseconds(3),
                                          .transfer = microseconds(4),
                                          .commit = microseconds(5)}};
  got->second->SendReport({.timings = timings, .traces = {{.process = "d0"}, {.process = "p0"}}});

  const auto report = reports->Receive(kPatience);

  ASSERT_TRUE(report && report->timings);
  EXPECT_EQ(report->timings->reserve, timings.reserve);
  EXPECT_EQ(report->timings->stages.queued, timings.stages.queued);
  EXPECT_EQ(report->timings->stages.prefill, timings.stages.prefill);
  EXPECT_EQ(report->timings->stages.transfer, timings.stages.transfer);
  EXPECT_EQ(report->timings->stages.commit, timings.stages.commit);
  ASSERT_EQ(report->traces.size(), 2U);
  EXPECT_EQ(report->traces[1].process, "p0");
  got->second->Finish(OkStatus());
}

TEST_F(Rpc, SetsPeers) {
  const auto done = std::make_shared<Gate>();
  client_->SetPeers({{.name = "p0", .address = "127.0.0.1:1"}}, kPatience, [done](Status status) {
    if (status.ok()) done->Open();
  });
  EXPECT_EQ(handler_.peers.Receive(kPatience),
            (std::vector<PeerAddress>{{.name = "p0", .address = "127.0.0.1:1"}}));
  EXPECT_TRUE(done->Wait(kPatience));
}

TEST_F(Rpc, SetsTheRoleOrSaysWhyNot) {
  const auto ends = std::make_shared<Mailbox<Status>>(2);
  const auto on_reply = [ends](Status status) { ends->TrySend(std::move(status)); };
  client_->SetRole(Role::kDecode, std::chrono::seconds(3), kPatience, on_reply);
  EXPECT_EQ(handler_.roles.Receive(kPatience),
            std::pair(Role::kDecode, Duration(std::chrono::seconds(3))));
  EXPECT_EQ(ends->Receive(kPatience), OkStatus());
  client_->SetRole(Role::kMixed, {}, kPatience, on_reply);
  EXPECT_EQ(ends->Receive(kPatience), FailedPrecondition("never mixed"));
}

TEST_F(Rpc, TellsAJoinedPeerThatItLeavesAfterItsAnswer) {
  const auto said = std::make_shared<Mailbox<std::string>>(8);
  const auto call = client_->Join(
      {.worker = SomeWorker(), .connection = 42},
      {.on_accepted =
           [said](JoinHello hello) { said->TrySend(hello.leaving ? "leaving" : "accepted"); },
       .on_alive = [] {},
       .on_leaving = [said] { said->TrySend("leaves"); },
       .on_end = [](Status) {}});
  const auto join = handler_.joins.Receive(kPatience);
  ASSERT_TRUE(join);
  join->second->Accept({.worker = SomeWorker(), .connection = 42});
  join->second->SendLeaving();
  EXPECT_EQ(said->Receive(kPatience), "accepted");
  EXPECT_EQ(said->Receive(kPatience), "leaves");
  join->second->Refuse(Unavailable("gone"));
}

TEST_F(Rpc, SaysThatAPortIsTaken) {
  const auto second = WorkerServer::Start(server_->address(), handler_, kPatience);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find(server_->address()), std::string::npos);
}

}  // namespace
}  // namespace baton::rpc
