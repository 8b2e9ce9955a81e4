#include "fleet.h"

#include <algorithm>
#include <span>
#include <utility>

namespace baton::router {
namespace {

/// Sequences that a worker gets beyond those that it runs, so that the next is there when one ends;
/// prompts that a worker gets at once, so that the next is there when one is computed.
constexpr int32_t kSpareSequences = 4;
constexpr int32_t kPromptsAhead = 2;
/// For how long a decode worker tries to join a peer that no router is seen to know.
constexpr Duration kForgetPeer = std::chrono::seconds(30);
/// What a worker gets to be joined once it has taken its role.
constexpr Duration kRoleSettles = std::chrono::seconds(10);

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

IsStale StaleFor(const Member& decode) {
  return [&decode](const std::string& peer) { return decode.UnjoinedFor(peer, kForgetPeer); };
}

}  // namespace

Fleet::Fleet(const RouterOptions& options, rpc::DialWorker dial, RouterMetrics& metrics,
             Clock& clock, Post post, OnLostWorker on_lost)
    : options_(options),
      dial_(std::move(dial)),
      metrics_(metrics),
      clock_(clock),
      post_(std::move(post)),
      on_lost_(std::move(on_lost)),
      surroundings_{options_, dial_, metrics_, clock_, post_, prefixes_, *this} {
  SetPlaces({});
}

TimePoint Fleet::Tick(TimePoint now) {
  TimePoint next = TimePoint::max();
  if (closed_) return next;
  for (auto& [name, member] : members_) next = std::min(next, member->Tick(now));
  next = std::min(next, TickNewcomers(now));
  return Sweep(now) ? now : next;
}

void Fleet::Close() {
  closed_ = true;
  for (auto& [name, member] : members_) member->Close();
  for (auto& [address, newcomer] : newcomers_) newcomer->Close();
}

bool Fleet::idle() const {
  const auto rests = [](const auto& one) { return one->idle(); };
  const auto entry_rests = [&](const auto& entry) { return rests(entry.second); };
  return std::all_of(members_.begin(), members_.end(), entry_rests) &&
         std::all_of(newcomers_.begin(), newcomers_.end(), entry_rests) &&
         std::all_of(closing_.begin(), closing_.end(), rests) &&
         std::all_of(closing_newcomers_.begin(), closing_newcomers_.end(), rests);
}

void Fleet::OnThere(Member& member) {
  ++version_;
  ++room_version_;
  FollowRoleChange(member);
  if (member.role() == Role::kDecode) TellPeers(member);
  if (member.role() == Role::kPrefill) TellPeers();
}

void Fleet::OnRole(Member& member, Role from) {
  ++room_version_;
  roles_change_until_ = clock_.Now() + kRoleSettles;
  if (from == Role::kPrefill || member.role() == Role::kPrefill) TellPeers();
  if (member.role() == Role::kDecode) TellPeers(member);
}

void Fleet::OnStatus(Member& member) {
  ++version_;
  ++room_version_;
  FollowRoleChange(member);
  if (member.role() != Role::kDecode || member.telling()) return;
  if (MustBeTold(member.status(), KnownPeers(), StaleFor(member))) TellPeers(member);
}

void Fleet::OnLost(Member& member, bool was_there, const Status& status) {
  ++version_;
  ++room_version_;
  // Whoever answers at that address next may be somebody else.
  if (member.named_itself()) member.LeaveFleet(true);
  if (was_there) on_lost_(member.address().name, status);
}

const PeerKnowledgeByName& Fleet::KnownPeers() {
  using Kind = PeerKnowledge::Kind;
  for (const auto& [name, member] : members_) {
    const Kind kind = member->leaves_fleet() ? Kind::kMaybe
                      : member->prefills()   ? Kind::kPrefills
                      : member->no_prefill() ? Kind::kDoesNot
                                             : Kind::kMaybe;
    PeerKnowledge& known = known_peers_[name];
    known.kind = kind;
    if (known.address.empty()) known.address = member->address().address;
  }
  return known_peers_;
}

void Fleet::TellPeers() {
  for (auto& [name, member] : members_) {
    if (member->there() && member->role() == Role::kDecode) TellPeers(*member);
  }
}

void Fleet::TellPeers(Member& decode) {
  decode.TellPeers(PeersToTell(decode.status(), KnownPeers(), StaleFor(decode)));
}

void Fleet::FollowRoleChange(const Member& member) {
  if (member.status().changing_to) roles_change_until_ = clock_.Now() + kRoleSettles;
}

bool Fleet::JoinedWithPrefill(const Member& decode) const {
  const auto& peers = decode.status().joined_peers;
  return std::any_of(peers.begin(), peers.end(), [this](const std::string& name) {
    const Member* peer = Find(name);
    return peer != nullptr && peer->takes_requests() && peer->prefills();
  });
}

std::optional<Role> Fleet::StandIns() const {
  if (clock_.Now() >= roles_change_until_) return std::nullopt;
  std::optional<Role> stand_ins;
  for (const auto& [name, member] : members_) {
    if (!member->takes_requests()) continue;
    const Role role = member->role();
    if (role == Role::kMixed) return std::nullopt;
    if (role == Role::kDecode && JoinedWithPrefill(*member)) return std::nullopt;
    if (stand_ins != Role::kDecode) stand_ins = role;
  }
  return stand_ins;
}

std::vector<WorkerView> Fleet::Views() const {
  const std::optional<Role> stand_ins = StandIns();
  std::vector<WorkerView> views;
  for (const auto& [name, member] : members_) {
    if (!member->takes_requests()) continue;
    views.push_back({.name = name,
                     .role = member->role() == stand_ins ? Role::kMixed : member->role(),
                     .load = member->load(),
                     .joined_peers = member->status().joined_peers,
                     .join_problems = member->status().join_problems,
                     .epoch = member->description().identity.epoch,
                     .fingerprint = member->description().identity.fingerprint,
                     .address = member->address().address});
  }
  return views;
}

bool Fleet::IsFull(const Member& member) {
  const int32_t most = member.description().limits.running_sequences;
  return most > 0 && member.load() > 0 &&
         member.load() + member.forecaster().others_decoding() >= most + kSpareSequences;
}

bool Fleet::IsBusy(const Member& member, const Forecast& forecast) const {
  if (member.forecaster().prefills() < kPromptsAhead) return false;
  // One step's worth is being computed, and one waits to be.
  if (forecast.ahead.prefill_tokens < 2 * int64_t{forecast.step_tokens}) return false;
  return !forecast.steps->knows_prefill() || QueueTime(forecast) >= options_.worker_queue;
}

bool Fleet::HasRoom(bool local) const {
  const auto idle_peer = [&](const std::string& name) {
    const Member* peer = Find(name);
    return peer != nullptr && peer->takes_requests() && peer->prefills() &&
           !IsBusy(*peer, peer->Foretell());
  };
  const std::optional<Role> stand_ins = StandIns();
  return std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
    const Member& member = *entry.second;
    if (!member.takes_requests() || IsFull(member)) return false;
    const Forecast forecast = member.Foretell();
    const bool whole = member.role() == Role::kMixed || member.role() == stand_ins;
    if (whole) return !IsBusy(member, forecast);
    if (member.prefills()) {
      return local && forecast.steps->knows_decode() && forecast.free_tokens > 0 &&
             !IsBusy(member, forecast);
    }
    const auto& peers = member.status().joined_peers;
    if (local && !peers.empty() && forecast.steps->knows_prefill() && !IsBusy(member, forecast)) {
      return true;
    }
    return std::any_of(peers.begin(), peers.end(), idle_peer);
  });
}

int32_t Fleet::load(const std::string& name) const { return members_.at(name)->load(); }

std::vector<WorkerView> Fleet::Views(const Request& request) const {
  std::vector<WorkerView> views = Views();
  /// By the size of its blocks: what of the prompt each worker holds.
  std::map<int32_t, std::vector<size_t>> held;
  for (WorkerView& view : views) {
    const Member& member = *members_.at(view.name);
    view.forecast = member.Foretell();
    view.full = IsFull(member);
    view.busy = IsBusy(member, view.forecast);
    const int32_t block_tokens = member.description().identity.geometry.block_tokens;
    if (block_tokens <= 0 || prefixes_.held(member.prefixes()) == 0) continue;
    const auto [matched, fresh] = held.try_emplace(block_tokens);
    if (fresh) matched->second = prefixes_.Match(PrefixKeys(request, block_tokens));
    view.cached_tokens = static_cast<int32_t>(matched->second[member.prefixes()]) * block_tokens;
  }
  return views;
}

rpc::WorkerClient& Fleet::Client(const std::string& name) { return members_.at(name)->client(); }

Member* Fleet::Find(const std::string& name) const {
  const auto it = members_.find(name);
  return it == members_.end() ? nullptr : it->second.get();
}

void Fleet::AddLoad(const std::string& name, int32_t change) {
  if (Member* member = Find(name)) member->AddLoad(change);
  if (change < 0) ++room_version_;
}

void Fleet::Promise(const std::string& name, int64_t tokens) {
  if (Member* member = Find(name)) member->forecaster().Promise(tokens);
}

void Fleet::BeginPrefill(const std::string& name, const cost::StepShape& prefill, int64_t tokens) {
  if (Member* member = Find(name)) member->forecaster().BeginPrefill(prefill, tokens);
}

void Fleet::BeginComing(const std::string& name, int64_t context) {
  if (Member* member = Find(name)) member->forecaster().BeginComing(context);
}

void Fleet::EndComing(const std::string& name, int64_t context) {
  if (Member* member = Find(name)) member->forecaster().EndComing(context);
}

void Fleet::EndPrefill(const std::string& name, const cost::StepShape& prefill) {
  if (Member* member = Find(name)) member->forecaster().EndPrefill(prefill);
  ++room_version_;
}

void Fleet::BeginDecode(const std::string& name, int64_t context) {
  if (Member* member = Find(name)) member->forecaster().BeginDecode(context);
}

void Fleet::EndDecode(const std::string& name, int64_t context) {
  if (Member* member = Find(name)) member->forecaster().EndDecode(context);
}

/// Joins count from the decode worker's end.
bool Fleet::Settled(const Member& member) const {
  if (member.role() == Role::kMixed) return true;
  bool partners = false;
  for (const auto& [name, other] : members_) {
    if (!other->there() || other->leaving() || other->role() == Role::kMixed) continue;
    if (other->role() == member.role()) continue;
    partners = true;
    const Member& decode = member.role() == Role::kDecode ? member : *other;
    const Member& prefill = member.role() == Role::kDecode ? *other : member;
    const auto& joined = decode.status().joined_peers;
    if (std::find(joined.begin(), joined.end(), prefill.address().name) != joined.end()) {
      return true;
    }
  }
  return !partners;
}

std::vector<RoleView> Fleet::Roles() const {
  std::vector<RoleView> roles;
  for (const auto& [name, member] : members_) {
    if (member->leaves_fleet()) continue;
    RoleView& view = roles.emplace_back(RoleView{.name = name, .there = member->there()});
    if (!view.there) continue;
    view.role = member->role();
    view.epoch = member->description().identity.epoch;
    view.leaving = member->leaving();
    view.settled = Settled(*member);
    view.load = member->load();
  }
  return roles;
}

std::vector<WorkerSpeed> Fleet::Speeds(int64_t tokens) const {
  std::vector<WorkerSpeed> speeds;
  for (const auto& [name, member] : members_) {
    if (member->leaves_fleet()) continue;
    if (!member->there()) return {};
    const Forecast forecast = member->Foretell();
    if (!forecast.steps->knows_prefill() || !forecast.steps->knows_decode()) return {};
    const rpc::WorkerDescription& description = member->description();
    WorkerSpeed& speed = speeds.emplace_back(WorkerSpeed{.steps = forecast.steps});
    speed.step_tokens = forecast.step_tokens;
    if (description.limits.running_sequences > 0) {
      speed.running_sequences = description.limits.running_sequences;
    }
    if (description.limits.kv_blocks > 0) {
      speed.kv_tokens =
          int64_t{description.limits.kv_blocks} * description.identity.geometry.block_tokens;
    }
    // From whom it would come nobody knows yet; those it came from take alike.
    speed.transfer = TransferTime(
        forecast, forecast.transfers->empty() ? "" : forecast.transfers->begin()->first, tokens);
  }
  return speeds;
}

void Fleet::SetRole(const std::string& name, Role role, Duration patience,
                    std::function<void(const Status&)> done) {
  Member* member = Find(name);
  if (member == nullptr || !member->there()) return done(Unavailable("it is not there"));
  member->SetRole(role, patience, std::move(done));
}

std::vector<telemetry::MetricsSnapshot> Fleet::Metrics(const std::string& only) const {
  std::vector<telemetry::MetricsSnapshot> snapshots;
  for (const auto& [name, member] : members_) {
    if (!member->there() || (!only.empty() && name != only)) continue;
    snapshots.push_back(member->status().metrics);
  }
  return snapshots;
}

std::vector<WorkerState> Fleet::State() const {
  std::vector<WorkerState> states;
  for (const auto& [name, member] : members_) {
    WorkerState state{.name = name, .load = member->load(), .problem = member->last_problem()};
    if (member->there()) {
      state.role = member->role();
      state.status = member->status();
      state.leaves = member->leaves_fleet();
      state.stuck = member->stuck();
    }
    states.push_back(std::move(state));
  }
  for (const auto& [address, newcomer] : newcomers_) {
    states.push_back({.name = address, .problem = newcomer->problem()});
  }
  return states;
}

}  // namespace baton::router
