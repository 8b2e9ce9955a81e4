#include "fleet.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "baton/base/check.h"
#include "baton/base/logging.h"
#include "baton/base/silence.h"

namespace baton::router {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(2);

/// Of the blocks of a prompt that a prefix cache may hold: its last token is always computed.
std::vector<kv::PrefixKey> PrefixKeys(const Request& request, int32_t block_tokens) {
  std::vector<kv::PrefixKey> keys;
  const size_t block = static_cast<size_t>(block_tokens);
  // Whoever wants to know about the prompt has all of it computed.
  if (request.sampling.prompt_logprobs >= 0 || request.prompt.empty()) return keys;
  keys.reserve(request.prompt.size() / block);
  auto left = std::span(request.prompt).first(request.prompt.size() - 1);
  kv::PrefixKey key = kv::kPrefixRootKey;
  for (; left.size() >= block; left = left.subspan(block)) {
    key = kv::ExtendPrefix(key, left.first(block), request.cache_salt);
    keys.push_back(key);
  }
  return keys;
}

}  // namespace

/// One configured worker. Dialing -> described -> watched (`status` set) -> lost -> dialing.
struct Fleet::Member {
  rpc::PeerAddress address;
  std::unique_ptr<rpc::WorkerClient> client;
  std::optional<rpc::WorkerDescription> description;
  std::optional<rpc::WorkerStatus> status;
  std::shared_ptr<rpc::Call> watch;
  /// Counts the watches, so that the end of one that was given up says nothing.
  uint64_t watches = 0;
  /// While it is watched.
  std::optional<Silence> silence;
  bool dialing = false;
  /// When to dial next.
  TimePoint deadline{};
  Duration redial{};
  int32_t load = 0;

  // What is known of its speed, since it was described.
  cost::StepModel steps;
  uint64_t last_step = 0;
  std::map<std::string, cost::TransferModel> transfers;
  uint64_t last_handoff = 0;
  /// In prefixes_; while it is watched.
  std::optional<size_t> prefixes;
  telemetry::Histogram* prefill_error = nullptr;
  telemetry::Histogram* decode_error = nullptr;

  // What requests of ours do there.
  cost::StepShape ahead;
  int32_t prefills = 0;
  /// Since when it has been at the first of them.
  TimePoint since{};
  cost::StepShape decoding;
  /// Tokens of KV for those that went there since it sent its status.
  int64_t promised_tokens = 0;
  /// What it does for others, as its status says.
  cost::StepShape ahead_of_others;
  cost::StepShape decoding_for_others;
  /// Decode workers: a SetPeers call is under way; the peers have changed since it began.
  bool telling = false;
  bool tell_again = false;
  std::string last_problem;
};

bool Fleet::IsPrefill(const Member& member) {
  return member.description && member.description->role == Role::kPrefill;
}

bool Fleet::HasPeer(const Member& decode, const std::string& name) {
  const auto& joined = decode.status->joined_peers;
  const auto& problems = decode.status->join_problems;
  return std::find(joined.begin(), joined.end(), name) != joined.end() ||
         std::any_of(problems.begin(), problems.end(),
                     [&](const rpc::JoinProblem& problem) { return problem.peer == name; });
}

Fleet::Fleet(const RouterOptions& options, rpc::DialWorker dial, RouterMetrics& metrics,
             Clock& clock, Post post, OnLost on_lost)
    : options_(options),
      dial_(std::move(dial)),
      metrics_(metrics),
      clock_(clock),
      post_(std::move(post)),
      on_lost_(std::move(on_lost)) {
  for (const rpc::PeerAddress& address : options.workers) {
    auto member = std::make_shared<Member>();
    member->address = address;
    member->redial = options.redial_min;
    member->prefill_error = &metrics.CostError(address.name, "prefill");
    member->decode_error = &metrics.CostError(address.name, "decode");
    members_[address.name] = std::move(member);
  }
}

TimePoint Fleet::Tick(TimePoint now) {
  if (closed_) return TimePoint::max();
  TimePoint next = TimePoint::max();
  for (auto& [name, member] : members_) {
    if (member->dialing) continue;
    if (member->silence && member->silence->Look(now)) {
      member->watch->Cancel();
      Lost(member, Unavailable("it was silent for " +
                               std::to_string(options_.status_timeout.count()) + " ms"));
    }
    if (member->silence) {
      next = std::min(next, member->silence->next());
    } else if (member->deadline <= now) {
      Dial(member);
    } else {
      next = std::min(next, member->deadline);
    }
  }
  return next;
}

void Fleet::Close() {
  closed_ = true;
  for (auto& [name, member] : members_) {
    if (member->watch) member->watch->Cancel();
  }
}

void Fleet::Dial(const std::shared_ptr<Member>& member) {
  member->dialing = true;
  ++calls_;
  // Anew each time: the connection of the last attempt may be one that nothing comes over.
  member->client = dial_(member->address.address);
  member->client->Describe(kCallTimeout,
                           [this, member](Result<rpc::WorkerDescription> description) {
                             post_([this, member, description = std::move(description)] {
                               --calls_;
                               Described(member, description);
                             });
                           });
}

void Fleet::Described(const std::shared_ptr<Member>& member,
                      const Result<rpc::WorkerDescription>& description) {
  member->dialing = false;
  if (closed_) return;
  if (!description.ok()) return Lost(member, description.status());
  member->description = *description;
  member->steps = {};
  member->transfers.clear();
  member->last_step = member->last_handoff = 0;
  for (const cost::StepSample& sample : description->calibration) member->steps.Learn(sample);
  Watch(member);
}

void Fleet::Watch(const std::shared_ptr<Member>& member) {
  member->silence.emplace(options_.status_timeout, clock_.Now());
  member->prefixes = prefixes_.Add();
  const uint64_t number = ++member->watches;
  ++calls_;
  member->watch = member->client->Watch(
      {.on_status =
           [this, member, number](rpc::WorkerStatus status) {
             post_([this, member, number, status = std::move(status)]() mutable {
               if (number == member->watches) Watched(member, std::move(status));
             });
           },
       .on_end =
           [this, member, number](Status status) {
             post_([this, member, number, status = std::move(status)] {
               --calls_;
               if (number == member->watches && member->watch) Lost(member, status);
             });
           }});
}

void Fleet::Watched(const std::shared_ptr<Member>& member, rpc::WorkerStatus status) {
  if (closed_ || !member->watch) return;
  const bool first = !member->status;
  Learn(*member, status);
  member->status = std::move(status);
  member->silence->Heard(clock_.Now());
  ++version_;
  if (!first) {
    if (LacksPeer(*member)) TellPeers(member);
    return;
  }
  member->redial = options_.redial_min;
  member->last_problem.clear();
  const Role role = member->description->role;
  BATON_LOG(Info) << RoleName(role) << " worker " << member->address.name << " is there (epoch "
                  << member->description->identity.epoch << ")";
  if (role == Role::kDecode) TellPeers(member);
  if (role == Role::kPrefill) TellPeers();
}

void Fleet::Learn(Member& member, const rpc::WorkerStatus& status) {
  for (const cost::StepSample& sample : status.steps) {
    if (sample.number <= member.last_step || sample.took <= Duration::zero()) continue;
    member.last_step = sample.number;
    const bool prefills = sample.shape.prefill_tokens > 0;
    if (prefills ? member.steps.knows_prefill() : member.steps.knows_decode()) {
      const double took = Seconds(sample.took);
      const double error = std::abs(Seconds(member.steps.Predict(sample.shape)) - took) / took;
      (prefills ? member.prefill_error : member.decode_error)->Observe(error);
    }
    member.steps.Learn(sample);
  }
  for (const rpc::HandoffSample& sample : status.handoffs) {
    if (sample.number <= member.last_handoff) continue;
    member.last_handoff = sample.number;
    // Peers are those of the configuration, so that there are no more of them.
    if (members_.contains(sample.peer)) {
      member.transfers[sample.peer].Learn(sample.bytes, sample.took);
    }
  }
  prefixes_.Apply(*member.prefixes, status.prefixes);
  const auto others = [](int64_t all, int64_t ours) { return std::max<int64_t>(0, all - ours); };
  member.ahead_of_others = {.prefill_tokens =
                                others(status.load.prefill_tokens, member.ahead.prefill_tokens)};
  member.decoding_for_others = {
      .decode_sequences = others(status.load.decode_sequences, member.decoding.decode_sequences),
      .decode_context = others(status.load.decode_context, member.decoding.decode_context)};
  member.promised_tokens = 0;
}

void Fleet::Lost(const std::shared_ptr<Member>& member, const Status& status) {
  const std::string problem = status.ok() ? "it closed the connection" : status.message();
  const bool was_there = member->status.has_value();
  if (!closed_ && was_there) {
    BATON_LOG(Info) << "worker " << member->address.name << " at " << member->address.address
                    << " was lost: " << problem;
  } else if (!closed_ && problem != member->last_problem) {  // It may be starting still.
    BATON_LOG(Debug) << "worker " << member->address.name << " at " << member->address.address
                     << " is not there: " << problem;
  }
  member->last_problem = problem;
  member->status.reset();
  member->description.reset();
  member->watch.reset();
  if (member->prefixes) prefixes_.Remove(*std::exchange(member->prefixes, std::nullopt));
  member->silence.reset();
  member->deadline = clock_.Now() + member->redial;
  member->redial = std::min<Duration>(2 * member->redial, options_.redial_max);
  ++version_;
  if (was_there) on_lost_(member->address.name, Unavailable("it was lost: " + problem));
}

void Fleet::TellPeers() {
  for (auto& [name, member] : members_) {
    if (member->status && member->description->role == Role::kDecode) TellPeers(member);
  }
}

bool Fleet::LacksPeer(const Member& decode) const {
  if (decode.description->role != Role::kDecode || decode.telling) return false;
  return std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
    return IsPrefill(*entry.second) && !HasPeer(decode, entry.first);
  });
}

/// A decode worker keeps the peers that it has: a router that starts does not know them all yet,
/// and it goes on dialing one that was lost since. One call at a time: of two that are under way
/// the older may arrive last.
void Fleet::TellPeers(const std::shared_ptr<Member>& decode) {
  decode->tell_again = decode->telling;
  if (std::exchange(decode->telling, true)) return;
  std::vector<rpc::PeerAddress> peers;
  for (const auto& [name, member] : members_) {
    if (IsPrefill(*member) || HasPeer(*decode, name)) peers.push_back(member->address);
  }
  ++calls_;
  decode->client->SetPeers(peers, kCallTimeout, [this, decode](Status status) {
    post_([this, decode, status = std::move(status)] {
      --calls_;
      decode->telling = false;
      if (closed_ || !decode->status) return;
      if (decode->tell_again) return TellPeers(decode);
      if (status.ok()) return;
      BATON_LOG(Warning) << "worker " << decode->address.name
                         << " could not be told its peers: " << status.message();
      if (decode->watch) decode->watch->Cancel();  // Start over with it.
    });
  });
}

std::vector<WorkerView> Fleet::Views() const {
  std::vector<WorkerView> views;
  for (const auto& [name, member] : members_) {
    if (!member->status || member->status->draining) continue;
    views.push_back({.name = name,
                     .role = member->description->role,
                     .load = member->load,
                     .joined_peers = member->status->joined_peers,
                     .join_problems = member->status->join_problems});
  }
  return views;
}

Forecast Fleet::ForecastOf(const Member& member) const {
  const rpc::WorkerLimits& limits = member.description->limits;
  const kv::KvGeometry& geometry = member.description->identity.geometry;
  Forecast forecast;
  forecast.steps = &member.steps;
  forecast.ahead = member.ahead;
  forecast.ahead += member.ahead_of_others;
  if (member.prefills > 0) forecast.at_it = clock_.Now() - member.since;
  forecast.decoding = member.decoding;
  forecast.decoding += member.decoding_for_others;
  if (limits.step_tokens > 0) forecast.step_tokens = limits.step_tokens;
  if (limits.kv_blocks > 0) {
    forecast.free_tokens = int64_t{member.status->load.available_blocks} * geometry.block_tokens -
                           member.promised_tokens;
  }
  if (geometry.block_tokens > 0) {
    forecast.bytes_per_token = geometry.tp_size * geometry.block_bytes() / geometry.block_tokens;
  }
  forecast.transfers = &member.transfers;
  return forecast;
}

std::vector<WorkerView> Fleet::Views(const Request& request) const {
  std::vector<WorkerView> views = Views();
  /// By the size of its blocks: what of the prompt each worker holds.
  std::map<int32_t, std::vector<size_t>> held;
  for (WorkerView& view : views) {
    const Member& member = *members_.at(view.name);
    view.forecast = ForecastOf(member);
    const int32_t block_tokens = member.description->identity.geometry.block_tokens;
    if (block_tokens <= 0 || prefixes_.held(*member.prefixes) == 0) continue;
    const auto [matched, fresh] = held.try_emplace(block_tokens);
    if (fresh) matched->second = prefixes_.Match(PrefixKeys(request, block_tokens));
    view.cached_tokens = static_cast<int32_t>(matched->second[*member.prefixes]) * block_tokens;
  }
  return views;
}

rpc::WorkerClient& Fleet::Client(const std::string& name) { return *members_.at(name)->client; }

void Fleet::AddLoad(const std::string& name, int32_t change) {
  const auto it = members_.find(name);
  if (it != members_.end()) it->second->load += change;
}

void Fleet::Promise(const std::string& name, int64_t tokens) {
  const auto it = members_.find(name);
  if (it != members_.end()) it->second->promised_tokens += tokens;
}

void Fleet::BeginPrefill(const std::string& name, const cost::StepShape& prefill, int64_t tokens) {
  const auto it = members_.find(name);
  if (it == members_.end()) return;
  Member& member = *it->second;
  if (member.prefills++ == 0) member.since = clock_.Now();
  member.ahead += prefill;
  member.promised_tokens += tokens;
}

void Fleet::EndPrefill(const std::string& name, const cost::StepShape& prefill) {
  const auto it = members_.find(name);
  if (it == members_.end()) return;
  Member& member = *it->second;
  --member.prefills;
  member.since = clock_.Now();
  member.ahead -= prefill;
}

void Fleet::BeginDecode(const std::string& name, int64_t context) {
  const auto it = members_.find(name);
  if (it != members_.end()) {
    it->second->decoding += {.decode_sequences = 1, .decode_context = context};
  }
}

void Fleet::EndDecode(const std::string& name, int64_t context) {
  const auto it = members_.find(name);
  if (it != members_.end()) {
    it->second->decoding -= {.decode_sequences = 1, .decode_context = context};
  }
}

std::vector<telemetry::MetricsSnapshot> Fleet::Metrics() const {
  std::vector<telemetry::MetricsSnapshot> snapshots;
  for (const auto& [name, member] : members_) {
    if (member->status) snapshots.push_back(member->status->metrics);
  }
  return snapshots;
}

std::vector<WorkerState> Fleet::State() const {
  std::vector<WorkerState> states;
  for (const auto& [name, member] : members_) {
    WorkerState state{.name = name, .load = member->load, .problem = member->last_problem};
    if (member->status) {
      state.role = member->description->role;
      state.status = *member->status;
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace baton::router
