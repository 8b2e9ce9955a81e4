#include "cluster.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace baton::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A process on another host that is frozen for longer than this might put into blocks whose
/// quarantine ended without proof, as proto/README.md says; and so it might when it is frozen again
/// soon.
constexpr Duration kMostFrozenElsewhere = seconds(9);
constexpr Duration kMostFrozen = seconds(50);
constexpr Duration kFreezeInterval = seconds(60);
constexpr size_t kMostRequests = 60;
/// In which all must come to rest: with 50 ms each, some times longer than any deadline.
constexpr int kMostRounds = 6000;

struct Layout {
  int prefill, decode, mixed;
};
constexpr Layout kLayouts[] = {{1, 1, 0}, {2, 1, 0}, {1, 2, 0}, {2, 2, 0}, {2, 1, 1}, {0, 0, 2}};

template <typename T, size_t N>
T OneOf(Random& random, const T (&values)[N]) {
  return values[random.Below(N)];
}

worker::WorkerOptions DrawWorker(Random& random, std::string name, Role role,
                                 const Conditions& conditions) {
  const bool ample = conditions.ample;
  worker::WorkerOptions options;
  options.name = std::move(name);
  options.role = role;
  options.block_tokens = OneOf(random, {4, 4, 8, 16});
  // The largest request must fit; with little more than that, many are preempted.
  const int64_t tokens =
      Oracle::kMostPrompt + Oracle::kMostNew + 8 * OneOf(random, {0, 1, 2, 4, 12});
  const int64_t token_bytes = 2 * 2 * 8 * 2;  // Layers, K and V, head_dim, element.
  options.kv_bytes = (tokens + options.block_tokens) * token_bytes;
  options.engine.running_sequences = OneOf(random, {2, 4, 8});
  options.engine.step_tokens = OneOf(random, {8, 16, 64});
  options.engine.waiting_sequences = ample ? 1024 : OneOf(random, {3, 16, 64});
  options.engine.layer_group = OneOf(random, {0, 1});
  options.engine.prefix_cache = random.Below(4) != 0;
  options.engine.overlap = OneOf(random, {engine::Overlap::kNever, engine::Overlap::kAlways});
  options.engine.constraints = &Oracle::Grammars();
  options.local_prefill_max_tokens = OneOf(random, {-1, -1, 3, 12});
  options.lease = milliseconds(OneOf(random, {2000, 5000}));
  options.checksum = random.Below(3) == 0;
  options.handoffs = ample ? 64 : OneOf(random, {2, 8, 64});
  options.status_interval = milliseconds(OneOf(random, {200, 400}));
  options.silence = conditions.Patience(milliseconds(OneOf(random, {750, 1500})));
  return options;
}

}  // namespace

Conditions::Conditions(Random& random) {
  calm = random.Below(6) == 0;
  ample = calm || random.Below(4) != 0;
  pace = std::chrono::microseconds(calm ? 500 : OneOf(random, {200, 1000, 5000, 20000}));
  fault_interval = static_cast<uint64_t>(OneOf(random, {60, 200, 600}));
  role_interval = static_cast<uint64_t>(OneOf(random, {0, 0, 150, 600}));
  transport.seed = random.Next();
  transport.delay = OneOf(random, {0.0, 0.1, 0.4});
  transport.piece_bytes = static_cast<size_t>(OneOf(random, {64, 256, 4096}));
  transport.proof = random.Below(3) != 0;
  transport.stale = OneOf(random, {0.0, 0.3});
  // Puts that cost nothing are worth it for single layers.
  if (random.Below(2) == 0) transport.cost = transport::PathCost{.bytes_per_s = 1e9};
  rpc.latency = std::chrono::microseconds(OneOf(random, {100, 2000, 20000}));
  if (!ample && random.Below(4) == 0) rpc.slow_reader = 3;
  router.policy =
      OneOf(random, {"cost", "cost", "cost", "least_loaded", "round_robin", "prefix_aware"});
  if (random.Below(4) == 0) router.prefill_policy = OneOf(random, {"cost", "least_loaded"});
  router.requests = ample || random.Below(12) != 0 ? 1024 : 5;
  if (ample) {
    router.retry = {.attempts = 1 << 20, .wait = std::chrono::hours(1)};
  } else {
    router.retry = {.attempts = OneOf(random, {1, 3, 8}),
                    .wait = milliseconds(OneOf(random, {1, 500, 15000}))};
  }
  router.status_timeout = Patience(milliseconds(OneOf(random, {900, 3000})));
  using router::Overload;
  router.overload = ample
                        ? Overload::kDegrade
                        : OneOf(random, {Overload::kRefuse, Overload::kDegrade, Overload::kQueue});
  router.queued = ample ? 1024 : OneOf(random, {2, 1024, 1024, 1024});
  router.queue_wait =
      ample ? Duration(std::chrono::hours(1)) : seconds(OneOf(random, {2, 20, 600, 600}));
  router.no_worker_wait =
      ample ? Duration(std::chrono::hours(1)) : seconds(OneOf(random, {0, 2, 10}));
  router.worker_queue = milliseconds(OneOf(random, {0, 5, 50}));
  if (random.Below(4) == 0) router.slo.ttft = milliseconds(OneOf(random, {10, 500}));
  router.progress_timeout = Patience(milliseconds(OneOf(random, {1000, 10000})));
  routers = 1 + random.Below(2);
  const Layout layout = OneOf(random, kLayouts);
  const auto add = [&](int count, const char* prefix, Role role) {
    for (int i = 0; i < count; ++i) {
      const std::string name = prefix + std::to_string(i);
      workers.push_back(DrawWorker(random, name, role, *this));
      router.workers.push_back({.name = name, .address = name});
    }
  };
  add(layout.prefill, "p", Role::kPrefill);
  add(layout.decode, "d", Role::kDecode);
  add(layout.mixed, "m", Role::kMixed);
}

Cluster::Cluster(uint64_t seed, Oracle& oracle)
    : random_(seed),
      conditions_(random_),
      network_(conditions_.transport),
      rpc_(conditions_.rpc, clock_, random_),
      oracle_(oracle),
      checks_(oracle, [this](const std::string& endpoint) { return Find(endpoint); }) {
  network_.OnWrite([this](const transport::LoopbackWrite& write) { checks_.CheckWrite(write); });
  const Surroundings surroundings{clock_, random_, rpc_, network_, oracle_};
  for (const auto& options : conditions_.workers) {
    workers_.push_back(std::make_unique<SimulatedWorker>(surroundings, options));
  }
  routers_.resize(conditions_.routers);
  for (size_t i = 0; i < routers_.size(); ++i) {
    routers_[i].name = "router" + std::to_string(i);
    StartRouter(routers_[i]);
  }
}

Cluster::~Cluster() {
  for (RouterProcess& router : routers_) KillRouter(router);
}

void Cluster::StartRouter(RouterProcess& router) {
  router.process = rpc_.Start(router.name);
  router.was_ready = false;
  router.registry = std::make_unique<telemetry::MetricRegistry>();
  router.core = std::make_unique<router::RouterCore>(
      conditions_.router,
      *router::RoutingPolicy::Make(conditions_.router.policy, conditions_.router.prefill_policy),
      [this, process = router.process](const std::string& address) {
        return rpc_.Dial(process, address);
      },
      *router.registry, clock_);
}

bool Cluster::RouterTurn(RouterProcess& router) {
  const bool busy = router.core->Turn(Duration::zero());
  router.was_ready |= router.core->Ready().ready;
  return busy;
}

void Cluster::KillRouter(RouterProcess& router) {
  const auto index = static_cast<size_t>(&router - routers_.data());
  for (const auto& request : requests_) {
    if (request->router == index && !request->ended()) request->lost = true;
  }
  rpc_.Kill(router.process);
  router.core.reset();
}

const SimulatedWorker* Cluster::Find(const std::string& endpoint) const {
  for (const auto& worker : workers_) {
    if (worker->alive() && worker->endpoint() == endpoint) return worker.get();
  }
  return nullptr;
}

const std::string& Cluster::AnyHost() {
  const size_t index = random_.Below(workers_.size() + routers_.size());
  return index < workers_.size() ? workers_[index]->name() : routers_[index - workers_.size()].name;
}

void Cluster::Event() {
  const uint64_t what = random_.Below(100);
  if (what < 55) {
    WorkerTurn(Any());
  } else if (what < 65) {
    RouterTurn(routers_[random_.Below(routers_.size())]);
  } else if (what < 92) {
    rpc_.DeliverOne();
  } else {
    ClientActs();
  }
  if (!conditions_.calm && random_.Below(conditions_.fault_interval) == 0) Fault();
  if (conditions_.role_interval != 0 && random_.Below(conditions_.role_interval) == 0) ChangeRole();
  Repair(false);
  PassTime();
  // A turn of one process changes only what that process says of itself, but for puts, which are
  // checked as they land, and faults.
  for (const auto& worker : workers_) {
    if (worker->alive()) checks_.Check(*worker);
  }
}

void Cluster::WorkerTurn(SimulatedWorker& worker) {
  if (worker.runs()) {
    if (random_.Below(2) == 0) {
      worker.EngineStep();
    } else {
      worker.TransportTurn(1 << random_.Below(7));
    }
  }
  worker.MainTurn();
}

void Cluster::ClientActs() {
  const bool start = random_.Below(8) != 0;
  if (start && requests_.size() < kMostRequests) {
    const size_t router = random_.Below(routers_.size());
    if (conditions_.calm && !Complete()) return;
    // Most would end at once.
    if (!routers_[router].core->Ready().ready && random_.Below(64) != 0) return;
    StartRequest(router);
  } else if (!start && !requests_.empty()) {
    SimulatedRequest& request = *requests_[random_.Below(requests_.size())];
    if (request.over() || random_.Below(2) == 0) return;
    request.cancelled = true;
    routers_[request.router].core->Cancel(request.id);
  }
}

std::shared_ptr<SimulatedRequest> Cluster::StartRequest(size_t router) {
  const Expected& expected = oracle_.Request(random_.Below(Oracle::kRequests));
  Request request = expected.request;
  request.id = "r" + std::to_string(requests_.size());
  request.priority = static_cast<int32_t>(random_.Below(3)) - 1;
  request.tenant = OneOf(random_, {"", "a", "b"});
  if (random_.Below(6) == 0) request.slo.ttft = milliseconds(OneOf(random_, {1, 50, 1000, 10000}));
  requests_.push_back(std::make_shared<SimulatedRequest>(request.id, router, expected));
  // A router that has never been ready takes nothing.
  requests_.back()->must_finish = conditions_.ample && routers_[router].was_ready;
  routers_[router].core->Start(std::move(request), requests_.back());
  return requests_.back();
}

void Cluster::Fault() {
  switch (random_.Below(9)) {
    case 0:
    case 1: return KillSome();
    case 2: return FreezeSome();
    case 3: return SeverSome();
    case 4: return CutSome();
    case 5: ++faults_["resets"]; return rpc_.ResetSome();
    case 6: {
      SimulatedWorker& worker = Any();
      if (!worker.runs() || worker.stopping()) return;
      ++faults_["stops"];
      return worker.Stop(Span(seconds(8)));
    }
    case 7: return WedgeSome();
    case 8:
      ++faults_["stalls"];
      clock_.Advance(milliseconds(random_.Below(random_.Below(4) == 0 ? 8000 : 1000)));
  }
}

bool Cluster::ServesWithout(const SimulatedWorker& but) const {
  bool serves[3] = {};
  for (const auto& worker : workers_) {
    if (worker.get() == &but || !worker->runs()) continue;
    const worker::RoleChange& change = worker->core().role_change();
    if (change.under_way()) return false;  // One at a time.
    serves[static_cast<size_t>(change.role())] = true;
  }
  return serves[static_cast<size_t>(Role::kMixed)] ||
         (serves[static_cast<size_t>(Role::kPrefill)] &&
          serves[static_cast<size_t>(Role::kDecode)]);
}

/// As a router asks for it; some changes are called off or exchanged for others on the way.
void Cluster::ChangeRole() {
  SimulatedWorker& worker = Any();
  if (!worker.runs() || worker.stopping()) return;
  // Who wants every request to finish leaves the others in peace until they know each other.
  if (conditions_.calm && (!ServesWithout(worker) || !Complete())) return;
  ++faults_["role changes"];
  const Role role = OneOf(random_, {Role::kPrefill, Role::kDecode, Role::kMixed});
  EXPECT_TRUE(worker.core().SetRole(role, milliseconds(OneOf(random_, {0, 500, 60000}))).ok());
}

void Cluster::KillSome() {
  ++faults_["kills"];
  if (random_.Below(10) == 0) {
    RouterProcess& router = routers_[random_.Below(routers_.size())];
    KillRouter(router);
    return StartRouter(router);
  }
  SimulatedWorker& worker = Any();
  if (worker.alive()) worker.Kill();
}

void Cluster::FreezeSome() {
  const size_t index = random_.Below(workers_.size());
  SimulatedWorker& worker = *workers_[index];
  if (!worker.runs() || clock_.Now() < next_freeze_[index]) return;
  ++faults_["freezes"];
  if (!conditions_.transport.proof) next_freeze_[index] = clock_.Now() + kFreezeInterval;
  worker.Freeze(Span(conditions_.transport.proof ? kMostFrozen : kMostFrozenElsewhere));
}

void Cluster::WedgeSome() {
  SimulatedWorker& worker = Any();
  if (!worker.runs() || worker.wedged()) return;
  ++faults_["wedges"];
  worker.Wedge(Span(kMostFrozen));
}

void Cluster::SeverSome() {
  SimulatedWorker& a = Any();
  SimulatedWorker& b = Any();
  if (!a.alive() || !b.alive() || &a == &b) return;
  ++faults_["severed"];
  network_.Sever(a.endpoint(), b.endpoint());
}

void Cluster::CutSome() {
  const std::string& a = AnyHost();
  const std::string& b = AnyHost();
  if (a == b) return;
  ++faults_["cuts"];
  rpc_.Cut(a, b);
  heals_[std::minmax(a, b)] = clock_.Now() + Span(seconds(45));
}

void Cluster::Repair(bool all) {
  const TimePoint now = clock_.Now();
  for (size_t i = 0; i < workers_.size(); ++i) {
    SimulatedWorker& worker = *workers_[i];
    if (worker.alive()) {
      if (all && worker.frozen()) worker.Thaw();
      if (all && !worker.stopping() &&
          worker.core().role_change().target() != worker.options().role) {
        EXPECT_TRUE(worker.core().SetRole(worker.options().role, seconds(1)).ok());
      }
      if (all) worker.Unwedge();
      continue;
    }
    const auto [due, fresh] = restarts_.try_emplace(i, now + Span(seconds(3)));
    if (!all && now < due->second) continue;
    restarts_.erase(due);
    worker.Start();
  }
  for (auto it = heals_.begin(); it != heals_.end();) {
    if (!all && now < it->second) {
      ++it;
      continue;
    }
    rpc_.Heal(it->first.first, it->first.second);
    it = heals_.erase(it);
  }
}

Duration Cluster::Span(Duration most) {
  const Duration some_events = 800 * conditions_.pace;
  const Duration bound = random_.Below(4) == 0 ? most : std::min(most, some_events);
  return Duration(random_.Below(static_cast<uint64_t>(bound.count())));
}

void Cluster::PassTime() {
  clock_.Advance(Duration(random_.Below(2 * static_cast<uint64_t>(conditions_.pace.count()) + 1)));
}

void Cluster::Round() {
  while (rpc_.DeliverOne()) {
  }
  for (RouterProcess& router : routers_) {
    while (RouterTurn(router)) {
    }
  }
  for (const auto& worker : workers_) {
    for (int i = 0; i < 4 && worker->runs(); ++i) {
      worker->EngineStep();
      worker->TransportTurn(64);
    }
    worker->MainTurn();
    if (worker->alive()) checks_.Check(*worker);
  }
}

bool Cluster::EveryRequestEnded() const {
  return std::all_of(requests_.begin(), requests_.end(),
                     [](const auto& request) { return request->over(); });
}

bool Cluster::Complete() const {
  const auto prefill =
      static_cast<size_t>(std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) {
        return worker->alive() && worker->core().role_change().role() == Role::kPrefill;
      }));
  const auto joined = [prefill](const router::WorkerView& view) {
    return view.role != Role::kDecode || view.joined_peers.size() == prefill;
  };
  const auto knows_all = [&](const RouterProcess& router) {
    const auto views = router.core->fleet().Views();
    return views.size() == workers_.size() && std::all_of(views.begin(), views.end(), joined);
  };
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) {
                       return worker->runs() && !worker->stopping() &&
                              !worker->core().role_change().under_way();
                     }) &&
         std::all_of(routers_.begin(), routers_.end(), knows_all);
}

bool Cluster::AtRest() const {
  return EveryRequestEnded() &&
         std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) {
                       return worker->runs() && !worker->stopping() && worker->AtRest();
                     }) &&
         std::all_of(routers_.begin(), routers_.end(),
                     [](const RouterProcess& router) {
                       return router.core->RequestsUnderWay() == 0 && router.core->queued() == 0;
                     }) &&
         Complete();
}

bool Cluster::ComesToRest() {
  rpc_.ReadAtOnce();
  size_t served = 0;
  std::shared_ptr<SimulatedRequest> last;
  for (int round = 0; round < kMostRounds; ++round) {
    Repair(true);
    Round();
    if (testing::Test::HasFailure()) return false;
    const bool busy = std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
      return worker->alive() && worker->engine().Stats().running > 0;
    });
    clock_.Advance(milliseconds(busy ? 5 : 50));
    if (!AtRest()) continue;
    // Each router must serve once more. It may take some requests until a severed link is noticed.
    if (last && last->finished()) ++served;
    if (served == routers_.size()) return true;
    last = StartRequest(served);
  }
  return false;
}

std::string Cluster::Describe() const {
  std::string text;
  for (const auto& request : requests_) {
    if (!request->over()) text += "request " + request->id + " has not ended\n";
  }
  for (const auto& worker : workers_) {
    text += worker->endpoint() + ": ";
    if (!worker->runs()) {
      text += "does not run\n";
      continue;
    }
    const engine::EngineStats stats = worker->engine().Stats();
    text += std::to_string(worker->core().streams()) + " streams, " +
            std::to_string(worker->engine().sequences().size()) + " sequences, " +
            std::to_string(stats.running) + " running, " + std::to_string(stats.waiting) +
            " waiting, blocks: " + std::to_string(stats.blocks_used) + " used, " +
            std::to_string(stats.blocks_quarantined) + " quarantined, joined with " +
            std::to_string(worker->core().peers().joined().size()) +
            (worker->stopping() ? ", stopping\n" : "\n") +
            worker->core().decode_side().DebugString() +
            worker->core().prefill_side().DebugString();
  }
  for (const RouterProcess& router : routers_) {
    text += router.name + ": " + std::to_string(router.core->RequestsUnderWay()) +
            " requests under way, " + std::to_string(router.core->queued()) + " of them queued, " +
            std::to_string(router.core->fleet().Views().size()) + " workers ready\n";
  }
  return text;
}

std::map<std::string, int64_t> Cluster::Counts() const {
  std::map<std::string, int64_t> counts = faults_;
  for (const auto& request : requests_) {
    counts["requests sure to finish"] += request->must_finish && request->finished();
    ++counts[request->lost                                     ? "requests lost"
             : request->finished()                             ? "requests finished"
             : request->end().code() == StatusCode::kCancelled ? "requests cancelled"
                                                               : "requests failed"];
  }
  for (const auto& worker : workers_) {
    counts["preemptions"] += worker->preemptions();
    counts["commits"] += worker->commits();
  }
  for (const RouterProcess& router : routers_) {
    for (const auto& family : router.registry->Collect().families) {
      const bool refused = family.name == "baton_refusals_total";
      if (!refused && family.name != "baton_retries_total" &&
          family.name != "baton_resumes_total") {
        continue;
      }
      const std::string what = refused                                ? "refusals: "
                               : family.name == "baton_retries_total" ? "retries "
                                                                      : "resumes ";
      for (const auto& sample : family.samples) {
        counts[what + sample.labels.front().second] += static_cast<int64_t>(sample.value);
      }
    }
  }
  return counts;
}

}  // namespace baton::simulation
