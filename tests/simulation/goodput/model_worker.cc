#include "model_worker.h"

#include <algorithm>
#include <utility>

namespace baton::simulation {
namespace {

constexpr Duration kLatency = std::chrono::microseconds(200);
constexpr Duration kJoinTime = std::chrono::milliseconds(20);
constexpr Duration kStatusInterval = std::chrono::milliseconds(100);
constexpr int32_t kBlockTokens = 16;

class NoCall final : public rpc::JoinCall {
 public:
  void Cancel() override {}
  void SendAlive() override {}
};

class ModelClient final : public rpc::WorkerClient {
 public:
  ModelClient(ModelWorker& worker, EventQueue& events) : worker_(worker), events_(events) {}

  void Describe(Duration, std::function<void(Result<rpc::WorkerDescription>)> on_reply) override {
    events_.After(kLatency, [this, on_reply] { on_reply(worker_.Describe()); });
  }
  void SetPeers(const std::vector<rpc::PeerAddress>& peers, Duration,
                std::function<void(Status)> on_reply) override {
    events_.After(kLatency, [this, peers, on_reply] {
      worker_.SetPeers(peers);
      on_reply(OkStatus());
    });
  }
  void SetRole(Role role, Duration patience, Duration,
               std::function<void(Status)> on_reply) override {
    events_.After(kLatency, [this, role, patience, on_reply] {
      worker_.SetRole(role, patience);
      on_reply(OkStatus());
    });
  }
  std::shared_ptr<rpc::Call> Generate(const rpc::GenerateCall& call,
                                      rpc::GenerateCallbacks callbacks) override {
    return worker_.Generate(call, std::move(callbacks));
  }
  std::shared_ptr<rpc::Call> Watch(rpc::WatchCallbacks callbacks) override {
    watch_ = std::move(callbacks);
    Tell();
    return std::make_shared<NoCall>();
  }
  std::shared_ptr<rpc::JoinCall> Join(const rpc::JoinHello&, rpc::JoinCallbacks) override {
    return std::make_shared<NoCall>();
  }

 private:
  void Tell() {
    watch_.on_status(worker_.Status());
    events_.After(kStatusInterval, [this] { Tell(); });
  }

  ModelWorker& worker_;
  EventQueue& events_;
  rpc::WatchCallbacks watch_;
};

}  // namespace

Duration Machine::Time(const cost::StepShape& shape) const {
  return step + shape.prefill_tokens * prefill_token + shape.prefill_attended * attended_token +
         shape.decode_sequences * decode_sequence + shape.decode_context * context_token;
}

Duration Machine::TransferTime(int64_t tokens) const {
  const double bytes = static_cast<double>(tokens * kv_bytes_per_token);
  return transfer + std::chrono::duration_cast<Duration>(
                        std::chrono::duration<double>(bytes / transfer_bytes_per_s));
}

ModelWorker::ModelWorker(std::string name, Role role, const Machine& machine, EventQueue& events,
                         uint64_t seed)
    : name_(std::move(name)), role_(role), machine_(machine), events_(events), random_(seed) {}

rpc::WorkerDescription ModelWorker::Describe() const {
  rpc::WorkerDescription description;
  description.identity.name = name_;
  // One head of one layer, wide enough for the bytes of a token.
  description.identity.geometry = {
      .layers = 1,
      .kv_heads = 1,
      .head_dim = static_cast<int32_t>(machine_.kv_bytes_per_token / 4),
      .block_tokens = kBlockTokens};
  description.role = role_;
  description.limits = {.kv_blocks = static_cast<int32_t>(machine_.kv_tokens / kBlockTokens),
                        .running_sequences = 256,
                        .step_tokens = machine_.step_tokens};
  uint64_t number = 0;
  for (const int64_t tokens : {1, 64, machine_.step_tokens / 2, machine_.step_tokens}) {
    const cost::StepShape shape = cost::PrefillShape(0, tokens);
    description.calibration.push_back({++number, shape, machine_.Time(shape)});
  }
  for (const int64_t sequences : {1, 4, 16}) {
    for (const int64_t context : {64, 512}) {
      const cost::StepShape shape{.decode_sequences = sequences,
                                  .decode_context = sequences * context};
      description.calibration.push_back({++number, shape, machine_.Time(shape)});
    }
  }
  return description;
}

rpc::WorkerStatus ModelWorker::Status() {
  ChangeRole();
  rpc::WorkerStatus status;
  status.running = static_cast<int32_t>(prefills_.size() + decodes_.size());
  status.waiting = static_cast<int32_t>(waiting_.size());
  status.role = role_;
  status.changing_to = changing_to_;
  status.peers = told_peers_;
  for (const auto& [name, peer] : peers_) {
    if (peer->TakesOffers()) status.joined_peers.push_back(name);
  }
  for (const auto& sequence : prefills_) {
    status.load.prefill_tokens += sequence->prompt - sequence->prefilled;
  }
  for (const auto& sequence : waiting_) status.load.prefill_tokens += sequence->prompt;
  for (const auto& sequence : decodes_) {
    ++status.load.decode_sequences;
    status.load.decode_context += sequence->prompt + sequence->drawn;
  }
  status.load.available_blocks =
      static_cast<int32_t>((machine_.kv_tokens - kv_used_) / kBlockTokens);
  status.steps.assign(steps_.begin(), steps_.end());
  status.handoffs.assign(handoffs_.begin(), handoffs_.end());
  return status;
}

std::shared_ptr<rpc::Call> ModelWorker::Generate(const rpc::GenerateCall& call,
                                                 rpc::GenerateCallbacks callbacks) {
  auto sequence = std::make_shared<Sequence>();
  sequence->prompt = static_cast<int64_t>(call.request.prompt.size());
  sequence->output = call.request.sampling.max_tokens;
  sequence->callbacks = std::move(callbacks);
  const auto joined = peers_.find(call.prefill_peer);
  if (joined == peers_.end() || !joined->second->TakesOffers()) {
    events_.After(kLatency, [this, sequence] { Enqueue(sequence); });
    return std::make_shared<NoCall>();
  }
  ModelWorker& peer = *joined->second;
  ++offered_;
  ++peer.offers_;
  auto prefill = std::make_shared<Sequence>();
  prefill->prompt = sequence->prompt;
  prefill->on_prefilled = [this, sequence, &peer, name = peer.name()] {
    --peer.offers_;
    const Duration took = machine_.TransferTime(sequence->prompt);
    handoffs_.push_back({.number = ++handoff_number_,
                         .peer = name,
                         .bytes = sequence->prompt * machine_.kv_bytes_per_token,
                         .took = took});
    if (handoffs_.size() > rpc::WorkerStatus::kMostSamples) handoffs_.pop_front();
    events_.After(took, [this, sequence] { Commit(sequence); });
  };
  events_.After(2 * kLatency, [&peer, prefill] { peer.Enqueue(prefill); });
  return std::make_shared<NoCall>();
}

void ModelWorker::Enqueue(std::shared_ptr<Sequence> sequence) {
  waiting_.push_back(std::move(sequence));
  Admit();
  BeginStep();
}

void ModelWorker::SetPeers(const std::vector<rpc::PeerAddress>& peers) {
  told_peers_ = peers;
  events_.After(kJoinTime, [this, peers] {
    if (peers != told_peers_) return;  // It was told others meanwhile.
    peers_.clear();
    for (const rpc::PeerAddress& peer : peers) peers_[peer.name] = &directory_(peer.name);
  });
}

void ModelWorker::SetRole(Role role, Duration patience) {
  changing_to_ = role == role_ ? std::nullopt : std::optional(role);
  change_by_ = events_.now() + patience;
}

void ModelWorker::ChangeRole() {
  if (!changing_to_ || offers_ + offered_ > 0) return;
  const bool generates = !waiting_.empty() || !prefills_.empty() || !decodes_.empty();
  if (role_ != Role::kPrefill && generates && events_.now() < change_by_) return;
  role_ = *std::exchange(changing_to_, std::nullopt);
  told_peers_.clear();
  peers_.clear();
}

void ModelWorker::Commit(const std::shared_ptr<Sequence>& sequence) {
  --offered_;
  sequence->prefilled = sequence->prompt;
  waiting_.push_front(sequence);
  Admit();
  BeginStep();
}

void ModelWorker::Admit() {
  while (!waiting_.empty()) {
    const auto sequence = waiting_.front();
    const bool alone = prefills_.empty() && decodes_.empty();
    if (!alone && kv_used_ + KvTokens(*sequence) > machine_.kv_tokens) return;
    waiting_.pop_front();
    kv_used_ += KvTokens(*sequence);
    if (sequence->prefilled < sequence->prompt) {
      prefills_.push_back(sequence);
      continue;
    }
    Draw(*sequence);
    if (sequence->drawn < sequence->output) {
      decodes_.push_back(sequence);
    } else {
      kv_used_ -= KvTokens(*sequence);
    }
  }
}

void ModelWorker::BeginStep() {
  if (stepping_ || (prefills_.empty() && decodes_.empty())) return;
  stepping_ = true;
  cost::StepShape shape;
  for (const auto& sequence : decodes_) {
    ++shape.decode_sequences;
    shape.decode_context += sequence->prompt + sequence->drawn;
  }
  std::vector<int64_t> chunks;
  int64_t budget = std::max<int64_t>(1, machine_.step_tokens - shape.decode_sequences);
  for (const auto& sequence : prefills_) {
    const int64_t chunk = std::min(budget, sequence->prompt - sequence->prefilled);
    if (chunk <= 0) break;
    shape += cost::PrefillShape(sequence->prefilled, sequence->prefilled + chunk);
    chunks.push_back(chunk);
    budget -= chunk;
  }
  const auto took =
      std::chrono::duration_cast<Duration>(machine_.Time(shape) * (0.9 + 0.2 * random_.Uniform()));
  events_.After(took, [this, shape, took, chunks] { EndStep(shape, took, chunks); });
}

void ModelWorker::EndStep(const cost::StepShape& shape, Duration took,
                          const std::vector<int64_t>& chunks) {
  steps_.push_back({.number = ++step_number_, .shape = shape, .took = took});
  if (steps_.size() > rpc::WorkerStatus::kMostSamples) steps_.pop_front();
  // Those that were committed since it began were not in it.
  auto decode = decodes_.begin();
  for (int64_t i = 0; i < shape.decode_sequences; ++i) {
    Draw(**decode);
    const bool over = (*decode)->drawn == (*decode)->output;
    if (over) kv_used_ -= KvTokens(**decode);
    decode = over ? decodes_.erase(decode) : std::next(decode);
  }
  auto prefill = prefills_.begin();
  for (const int64_t chunk : chunks) {
    const auto sequence = *prefill;
    sequence->prefilled += chunk;
    if (sequence->prefilled < sequence->prompt) {
      ++prefill;
      continue;
    }
    prefill = prefills_.erase(prefill);
    if (sequence->on_prefilled) {
      sequence->on_prefilled();
      kv_used_ -= KvTokens(*sequence);
      continue;
    }
    Draw(*sequence);
    if (sequence->drawn < sequence->output) {
      decodes_.push_back(sequence);
    } else {
      kv_used_ -= KvTokens(*sequence);
    }
  }
  stepping_ = false;
  Admit();
  BeginStep();
}

void ModelWorker::Draw(Sequence& sequence) {
  ++sequence.drawn;
  const bool last = sequence.drawn == sequence.output;
  sequence.callbacks.on_token(
      {.token = 1, .finish = last ? FinishReason::kLength : FinishReason::kNone});
  if (last) sequence.callbacks.on_end(OkStatus());
}

std::unique_ptr<rpc::WorkerClient> Reach(ModelWorker& worker, EventQueue& events) {
  return std::make_unique<ModelClient>(worker, events);
}

}  // namespace baton::simulation
