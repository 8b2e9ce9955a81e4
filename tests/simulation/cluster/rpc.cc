#include "rpc.h"

#include <algorithm>
#include <optional>

#include "baton/base/check.h"

namespace baton::simulation {
namespace {

/// gRPC pings every 2 s and waits 5 s for the answer.
constexpr uint64_t kKeepAliveMinMs = 5000;
constexpr uint64_t kKeepAliveMaxMs = 7000;

}  // namespace

struct SimulatedRpc::Call {
  struct Item {
    TimePoint due;
    /// Needs no link, as it does not come from the other end.
    bool local = false;
    std::function<void()> arrive;
  };

  uint64_t id = 0;
  int connection = 0;
  ProcessId client{};
  ProcessId server{};
  std::string client_host;
  std::string server_host;
  Duration keep_alive{};
  /// Of a watch: how far it has read.
  kv::PrefixCursor prefixes;
  std::deque<Item> to_client;
  std::deque<Item> to_server;
  /// The server's handler knows of the call.
  bool started = false;
  /// The end is the last item of the queue; `broken`: and a local one.
  bool client_ending = false;
  bool client_broken = false;
  bool server_ending = false;
  bool server_broken = false;
  bool client_over = false;
  bool server_over = false;
  std::function<void(Status)> on_client_end;
  std::function<void()> on_server_end;
  /// Joins: a sign of life came to the server.
  std::function<void()> on_alive;

  /// A deadline or an interval.
  TimePoint timer = TimePoint::max();
  ProcessId timer_owner{};
  std::function<void()> on_timer;

  void EndClient(const Status& status) {
    client_over = true;
    to_client.clear();
    if (timer_owner == client) timer = TimePoint::max();
    if (const auto end = std::exchange(on_client_end, {})) end(status);
  }
  void EndServer() {
    server_over = true;
    to_server.clear();
    if (timer_owner == server) timer = TimePoint::max();
    on_alive = {};
    if (const auto end = std::exchange(on_server_end, {}); end && started) end();
  }
  bool over() const { return client_over && server_over && to_client.empty(); }
};

/// What a server's handler sends with.
class SimulatedRpc::Stream final : public rpc::GenerateStream, public rpc::JoinStream {
 public:
  Stream(SimulatedRpc& rpc, const CallPtr& call) : rpc_(rpc), call_(call) {}

  rpc::GenerateCallbacks generate;
  rpc::JoinCallbacks join;

  bool SendRoute(const std::string& route) override {
    return Send([on_route = generate.on_route, route] { on_route(route); });
  }
  bool SendToken(const TokenOutput& output) override {
    return Send([on_token = generate.on_token, output] { on_token(output); });
  }
  void Finish(const Status& status) override {
    if (const CallPtr call = call_.lock()) rpc_.Finish(call, status);
  }
  void Accept(const rpc::JoinHello& ours) override {
    Send([on_accepted = join.on_accepted, ours] { on_accepted(ours); });
  }
  void SendAlive() override {
    const CallPtr call = call_.lock();
    if (call && call->to_client.empty()) Send(join.on_alive);
  }
  void SendLeaving() override {
    if (join.on_leaving) Send(join.on_leaving);
  }
  void Refuse(const Status& status) override { Finish(status); }

 private:
  bool Send(std::function<void()> arrive) {
    const CallPtr call = call_.lock();
    if (!call || call->server_over || call->server_ending) return false;
    if (call->to_client.size() >= rpc_.options_.slow_reader) return false;
    rpc_.SendToClient(call, std::move(arrive));
    return true;
  }

  SimulatedRpc& rpc_;
  const std::weak_ptr<Call> call_;
};

class SimulatedRpc::Client final : public rpc::WorkerClient {
 public:
  Client(SimulatedRpc& rpc, ProcessId self, std::string host)
      : rpc_(rpc), self_(self), host_(std::move(host)), connection_(++rpc.last_connection_) {}

  void Describe(Duration timeout,
                std::function<void(Result<rpc::WorkerDescription>)> on_reply) override {
    auto reply = std::make_shared<std::optional<rpc::WorkerDescription>>();
    const CallPtr call = Unary(timeout, [reply, on_reply](const Status& status) {
      if (!status.ok()) return on_reply(status);
      on_reply(*std::move(*reply));
    });
    rpc_.Arrive(call,
                [this_rpc = &rpc_, weak = std::weak_ptr(call), reply](rpc::WorkerHandler& handler) {
                  *reply = handler.Describe();
                  if (const CallPtr answered = weak.lock()) this_rpc->Finish(answered, OkStatus());
                });
  }

  void SetPeers(const std::vector<rpc::PeerAddress>& peers, Duration timeout,
                std::function<void(Status)> on_reply) override {
    const CallPtr call = Unary(timeout, std::move(on_reply));
    rpc_.Arrive(call,
                [this_rpc = &rpc_, weak = std::weak_ptr(call), peers](rpc::WorkerHandler& handler) {
                  handler.SetPeers(peers);
                  if (const CallPtr answered = weak.lock()) this_rpc->Finish(answered, OkStatus());
                });
  }

  void SetRole(Role role, Duration patience, Duration timeout,
               std::function<void(Status)> on_reply) override {
    const CallPtr call = Unary(timeout, std::move(on_reply));
    rpc_.Arrive(call, [this_rpc = &rpc_, weak = std::weak_ptr(call), role,
                       patience](rpc::WorkerHandler& handler) {
      const Status status = handler.SetRole(role, patience);
      if (const CallPtr answered = weak.lock()) this_rpc->Finish(answered, status);
    });
  }

  std::shared_ptr<rpc::Call> Generate(const rpc::GenerateCall& generate,
                                      rpc::GenerateCallbacks callbacks) override {
    const CallPtr call = Open();
    call->on_client_end = callbacks.on_end;
    const auto stream = std::make_shared<Stream>(rpc_, call);
    stream->generate = std::move(callbacks);
    rpc_.Arrive(call, [weak = std::weak_ptr(call), stream, generate](rpc::WorkerHandler& handler) {
      weak.lock()->on_server_end = [&handler, stream] { handler.OnGenerateEnded(stream.get()); };
      handler.OnGenerate(generate, stream);
    });
    return Handle(call);
  }

  std::shared_ptr<rpc::Call> Watch(rpc::WatchCallbacks callbacks) override {
    const CallPtr call = Open();
    call->on_client_end = callbacks.on_end;
    rpc_.Arrive(call, [this_rpc = &rpc_, weak = std::weak_ptr(call), host = host_,
                       on_status = std::move(callbacks.on_status)](rpc::WorkerHandler&) {
      this_rpc->SendStatus(weak.lock(), this_rpc->servers_.at(host), on_status);
    });
    return Handle(call);
  }

  std::shared_ptr<rpc::JoinCall> Join(const rpc::JoinHello& ours,
                                      rpc::JoinCallbacks callbacks) override {
    const CallPtr call = Open();
    call->on_client_end = callbacks.on_end;
    const auto stream = std::make_shared<Stream>(rpc_, call);
    stream->join = std::move(callbacks);
    rpc_.Arrive(call, [weak = std::weak_ptr(call), stream, ours](rpc::WorkerHandler& handler) {
      weak.lock()->on_server_end = [&handler, stream] { handler.OnJoinEnded(stream.get()); };
      weak.lock()->on_alive = [&handler, stream] { handler.OnJoinAlive(stream.get()); };
      handler.OnJoin(ours, stream);
    });
    return std::make_shared<CallHandle>(rpc_, call);
  }

 private:
  class CallHandle final : public rpc::JoinCall {
   public:
    CallHandle(SimulatedRpc& rpc, const CallPtr& call) : rpc_(rpc), call_(call) {}
    void Cancel() override {
      if (const CallPtr call = call_.lock()) rpc_.Cancel(call);
    }
    void SendAlive() override {
      if (const CallPtr call = call_.lock()) rpc_.SendAliveToServer(call);
    }

   private:
    SimulatedRpc& rpc_;
    const std::weak_ptr<SimulatedRpc::Call> call_;
  };

  CallPtr Open() { return rpc_.Open(self_, host_, connection_); }
  std::shared_ptr<rpc::Call> Handle(const CallPtr& call) {
    return std::make_shared<CallHandle>(rpc_, call);
  }
  CallPtr Unary(Duration timeout, std::function<void(Status)> on_end) {
    const CallPtr call = Open();
    call->on_client_end = std::move(on_end);
    call->timer = rpc_.clock_.Now() + timeout;
    call->timer_owner = self_;
    call->on_timer = [this_rpc = &rpc_, weak = std::weak_ptr(call)] {
      this_rpc->BreakClient(weak.lock(), DeadlineExceeded("Deadline Exceeded"), true, 0);
    };
    return call;
  }

  SimulatedRpc& rpc_;
  const ProcessId self_;
  const std::string host_;
  const int connection_;
};

SimulatedRpc::~SimulatedRpc() = default;

ProcessId SimulatedRpc::Start(const std::string& host) {
  processes_.push_back({.host = host});
  return ProcessId{static_cast<int>(processes_.size()) - 1};
}

void SimulatedRpc::Serve(ProcessId process, rpc::WorkerHandler& handler, Duration status_interval) {
  servers_[At(process).host] = {process, &handler, status_interval};
}

void SimulatedRpc::StopServing(ProcessId process) {
  std::erase_if(servers_, [process](const auto& s) { return s.second.process == process; });
  for (const CallPtr& call : Calls()) {
    if (call->server != process || call->server_over) continue;
    BreakClient(call, Unavailable("the server shuts down"), false, call->to_client.size());
    call->EndServer();
  }
}

void SimulatedRpc::Kill(ProcessId process) {
  std::erase_if(servers_, [process](const auto& s) { return s.second.process == process; });
  Thaw(process);
  At(process).alive = false;
  for (const CallPtr& call : Calls()) {
    if (call->client == process && !call->client_over) {
      BreakServer(call, false, SomeOf(call->to_server.size()));
      // Nobody hears it; it frees what the callbacks hold.
      call->EndClient(Cancelled("the process was killed"));
    }
    if (call->server == process && !call->server_over) {
      BreakClient(call, Unavailable("connection reset by peer"), false,
                  SomeOf(call->to_client.size()));
      call->started = false;
      call->EndServer();
    }
  }
}

void SimulatedRpc::Freeze(ProcessId process) {
  if (std::exchange(At(process).frozen, true)) return;
  At(process).frozen_since = clock_.Now();
  ++frozen_;
}

void SimulatedRpc::Thaw(ProcessId process) {
  if (std::exchange(At(process).frozen, false)) --frozen_;
}

void SimulatedRpc::Cut(const std::string& a, const std::string& b) {
  cuts_.emplace(std::minmax(a, b), clock_.Now());
}

void SimulatedRpc::Heal(const std::string& a, const std::string& b) {
  cuts_.erase(std::minmax(a, b));
}

void SimulatedRpc::ResetSome() {
  if (calls_.empty()) return;
  auto some = calls_.begin();
  std::advance(some, static_cast<int64_t>(random_.Below(calls_.size())));
  const int connection = some->second->connection;
  for (const CallPtr& call : Calls()) {
    if (call->connection != connection) continue;
    BreakClient(call, Unavailable("connection reset by peer"), true, 0);
    BreakServer(call, true, 0);
  }
}

std::unique_ptr<rpc::WorkerClient> SimulatedRpc::Dial(ProcessId from, const std::string& host) {
  return std::make_unique<Client>(*this, from, host);
}

SimulatedRpc::CallPtr SimulatedRpc::Open(ProcessId client, const std::string& host,
                                         int connection) {
  const auto call = std::make_shared<Call>();
  call->id = ++last_call_;
  call->connection = connection;
  call->client = client;
  call->client_host = At(client).host;
  call->server_host = host;
  call->keep_alive =
      std::chrono::milliseconds(kKeepAliveMinMs + random_.Below(kKeepAliveMaxMs - kKeepAliveMinMs));
  calls_[call->id] = call;
  return call;
}

void SimulatedRpc::Arrive(const CallPtr& call, std::function<void(rpc::WorkerHandler&)> arrive) {
  const auto server = servers_.find(call->server_host);
  if (server == servers_.end()) {
    call->server_over = true;
    return BreakClient(call, Unavailable("connection refused"), false, 0);
  }
  call->server = server->second.process;
  call->to_server.push_back({.due = clock_.Now() + Latency(),
                             .arrive = [weak = std::weak_ptr(call), arrive = std::move(arrive),
                                        handler = server->second.handler] {
                               weak.lock()->started = true;
                               arrive(*handler);
                             }});
}

void SimulatedRpc::SendToClient(const CallPtr& call, std::function<void()> arrive) {
  if (call->client_over || call->client_ending) return;
  TimePoint due = clock_.Now() + Latency();
  if (!call->to_client.empty()) due = std::max(due, call->to_client.back().due);
  call->to_client.push_back({.due = due, .arrive = std::move(arrive)});
}

void SimulatedRpc::SendAliveToServer(const CallPtr& call) {
  // Nothing while an earlier sign is on its way.
  if (call->server_over || call->server_ending || !call->to_server.empty()) return;
  call->to_server.push_back(
      {.due = clock_.Now() + Latency(), .arrive = [weak = std::weak_ptr(call)] {
         if (const auto on_alive = weak.lock()->on_alive) on_alive();
       }});
}

void SimulatedRpc::Finish(const CallPtr& call, const Status& status) {
  if (call->server_over || call->server_ending) return;
  BreakClient(call, status, false, call->to_client.size());
  BreakServer(call, false, call->to_server.size());
}

void SimulatedRpc::Cancel(const CallPtr& call) {
  if (call->client_over || call->client_broken) return;
  BreakClient(call, Cancelled("CANCELLED"), true, SomeOf(call->to_client.size()));
  BreakServer(call, false, call->to_server.size());
}

void SimulatedRpc::SendStatus(const CallPtr& call, const Server& server,
                              std::function<void(rpc::WorkerStatus)> on_status) {
  if (call->to_client.size() < 2) {  // One write is under way at a time.
    rpc::WorkerStatus status = server.handler->CurrentStatus();
    status.prefixes = server.handler->NextPrefixes(call->prefixes);
    SendToClient(call, [on_status, status = std::move(status)] { on_status(status); });
  }
  call->timer = clock_.Now() + server.status_interval;
  call->timer_owner = server.process;
  call->on_timer = [this, weak = std::weak_ptr(call), server, on_status] {
    SendStatus(weak.lock(), server, on_status);
  };
}

void SimulatedRpc::BreakClient(const CallPtr& call, const Status& status, bool local, size_t keep) {
  if (call->client_over || call->client_broken || (call->client_ending && !local)) return;
  call->to_client.resize(std::min(keep, call->to_client.size()));
  call->client_ending = true;
  call->client_broken = local;
  TimePoint due = clock_.Now() + Latency();
  if (!call->to_client.empty()) due = std::max(due, call->to_client.back().due);
  if (local) {  // What came already comes first.
    for (auto& item : call->to_client) item.local = true;
  }
  call->to_client.push_back(
      {.due = due, .local = local, .arrive = [weak = std::weak_ptr(call), status] {
         weak.lock()->EndClient(status);
       }});
}

void SimulatedRpc::BreakServer(const CallPtr& call, bool local, size_t keep) {
  if (call->server_over || call->server_broken || (call->server_ending && !local)) return;
  call->to_server.resize(std::min(keep, call->to_server.size()));
  call->server_ending = true;
  call->server_broken = local;
  TimePoint due = clock_.Now() + Latency();
  if (!call->to_server.empty()) due = std::max(due, call->to_server.back().due);
  call->to_server.push_back({.due = due, .local = local, .arrive = [weak = std::weak_ptr(call)] {
                               weak.lock()->EndServer();
                             }});
}

TimePoint SimulatedRpc::SilentSince(const std::string& host, ProcessId other,
                                    const std::string& other_host) const {
  TimePoint since = TimePoint::max();
  const auto cut = cuts_.find(std::minmax(host, other_host));
  if (cut != cuts_.end()) since = cut->second;
  if (other != kNobody && At(other).frozen) since = std::min(since, At(other).frozen_since);
  return since;
}

void SimulatedRpc::KeepAlive(const CallPtr& call, TimePoint now) {
  if (!call->client_over && Runs(call->client) &&
      SilentSince(call->client_host, call->server, call->server_host) <= now - call->keep_alive) {
    BreakClient(call, Unavailable("keepalive watchdog timeout"), true, 0);
    BreakServer(call, false, SomeOf(call->to_server.size()));
  }
  if (!call->server_over && Runs(call->server) &&
      SilentSince(call->server_host, call->client, call->client_host) <= now - call->keep_alive) {
    BreakServer(call, true, 0);
    BreakClient(call, Unavailable("connection reset by peer"), false,
                SomeOf(call->to_client.size()));
  }
}

bool SimulatedRpc::DeliverOne() {
  const TimePoint now = clock_.Now();
  CallPtr chosen;
  std::deque<Call::Item>* queue = nullptr;
  uint64_t ready = 0;
  const auto offer = [&](const CallPtr& call, std::deque<Call::Item>* from) {
    if (random_.Below(++ready) != 0) return;
    chosen = call;
    queue = from;
  };
  for (auto it = calls_.begin(); it != calls_.end();) {
    const CallPtr& call = it->second;
    if (!cuts_.empty() || frozen_ > 0) KeepAlive(call, now);
    const bool linked = !IsCut(call->client_host, call->server_host);
    const auto due = [&](const std::deque<Call::Item>& items) {
      return !items.empty() && items.front().due <= now && (linked || items.front().local);
    };
    if (due(call->to_client) && Runs(call->client)) offer(call, &call->to_client);
    if (due(call->to_server) && Runs(call->server)) offer(call, &call->to_server);
    if (call->timer <= now && Runs(call->timer_owner)) offer(call, nullptr);
    it = call->over() ? calls_.erase(it) : std::next(it);
  }
  if (!chosen) return false;
  if (queue == nullptr) {
    chosen->timer = TimePoint::max();
    const auto on_timer = chosen->on_timer;
    on_timer();
    return true;
  }
  const auto arrive = std::move(queue->front().arrive);
  queue->pop_front();
  arrive();
  return true;
}

std::vector<SimulatedRpc::CallPtr> SimulatedRpc::Calls() const {
  std::vector<CallPtr> calls;
  for (const auto& [id, call] : calls_) calls.push_back(call);
  return calls;
}

Duration SimulatedRpc::Latency() {
  const auto span = static_cast<uint64_t>(options_.latency.count());
  const uint64_t factor = random_.Below(20) == 0 ? 20 : 1;
  return Duration(random_.Below(span * factor + 1));
}

}  // namespace baton::simulation
