#include "prefill_service.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "baton/base/logging.h"
#include "baton/base/units.h"
#include "baton/handoff/layer_groups.h"

namespace baton::worker {

void PrefillService::Connect(engine::Engine& engine, handoff::PrefillSide& prefill) {
  parts_.engine = &engine;
  parts_.prefill = &prefill;
}

void PrefillService::OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) {
  parts_.transport_thread.Post(
      [this, hello = std::move(hello), stream = std::move(stream)] { Accept(hello, stream); });
}

void PrefillService::Accept(const rpc::JoinHello& hello,
                            const std::shared_ptr<rpc::JoinStream>& stream) {
  const auto& [epoch, name] = std::tie(hello.worker.identity.epoch, hello.worker.identity.name);
  const auto earlier = std::find_if(joined_.begin(), joined_.end(),
                                    [&](const auto& join) { return join.second.epoch == epoch; });
  if (earlier != joined_.end()) Lose(earlier, "it joins anew");
  auto joined = Join(hello);
  if (!joined.ok()) {
    BATON_LOG(Warning) << "refused to join decode worker " << name << ": "
                       << joined.status().message();
    stream->Refuse(joined.status());
    return;
  }
  BATON_LOG(Info) << "joined decode worker " << name << " over " << joined->path.text;
  parts_.metrics.SetPath(name, joined->path, true);
  joined->stream = stream;
  joined_.emplace(stream.get(), *std::move(joined));
  rpc::JoinHello answer = ours_;
  answer.connection = hello.connection;
  answer.leaving = !offers_;
  stream->Accept(answer);
}

Result<PrefillService::Joined> PrefillService::Join(const rpc::JoinHello& hello) {
  BATON_RETURN_IF_ERROR(CheckCompatible(ours_.worker.identity, hello.worker.identity));
  BATON_ASSIGN_OR_RETURN(
      const transport::PeerId peer,
      parts_.transport.Connect(hello.worker.transport_address, hello.connection));
  Joined joined{.name = hello.worker.identity.name,
                .epoch = hello.worker.identity.epoch,
                .peer = peer,
                .path = parts_.transport.FindPath(peer),
                .liveness = {ours_, hello, parts_.clock.Now()}};
  const Status status = [&]() -> Status {
    BATON_RETURN_IF_ERROR(transport::CheckFound(parts_.required, joined.path));
    return parts_.prefill->AddPeer(
        peer, {.worker = hello.worker.identity, .connection = hello.connection});
  }();
  if (status.ok()) return joined;
  parts_.transport.Disconnect(peer);
  return status;
}

void PrefillService::OnJoinAlive(const rpc::JoinStream* stream) {
  parts_.transport_thread.Post([this, stream] {
    const auto it = joined_.find(stream);
    if (it != joined_.end()) it->second.liveness.Heard(parts_.clock.Now());
  });
}

void PrefillService::OnJoinEnded(const rpc::JoinStream* stream) {
  parts_.transport_thread.Post([this, stream] {
    const auto it = joined_.find(stream);
    if (it != joined_.end()) Lose(it, "it closed the connection");
  });
}

void PrefillService::Lose(Joins::iterator joined, const std::string& why) {
  const Joined lost = std::move(joined->second);
  joined_.erase(joined);
  BATON_LOG(Info) << "decode worker " << lost.name << " is lost: " << why;
  const Status status = Unavailable("decode worker " + lost.name + " was lost: " + why);
  parts_.metrics.SetPath(lost.name, lost.path, false);
  parts_.prefill->LosePeer(lost.peer, status);
  parts_.transport.Disconnect(lost.peer);
  lost.stream->Refuse(status);
}

void PrefillService::TakeOffers(bool takes) {
  if (takes == std::exchange(offers_, takes) || takes) return;
  for (auto& [stream, joined] : joined_) joined.stream->SendLeaving();
}

void PrefillService::EndJoins(const std::string& why) {
  while (!joined_.empty()) Lose(joined_.begin(), why);
}

void PrefillService::Heard(transport::PeerId peer, TimePoint now) {
  for (auto& [stream, joined] : joined_) {
    if (joined.peer == peer) return joined.liveness.Heard(now);
  }
}

TimePoint PrefillService::Tick(TimePoint now) {
  TimePoint next = TimePoint::max();
  for (auto it = joined_.begin(); it != joined_.end();) {
    const auto current = it++;
    Joined& joined = current->second;
    if (joined.liveness.Lost(now)) {
      ++silent_;
      Lose(current, "it was silent for " + FormatMs(ours_.silence));
      continue;
    }
    if (joined.liveness.TakeSign(now)) joined.stream->SendAlive();
    next = std::min(next, joined.liveness.next());
  }
  return next;
}

/// One engine serves all peers: in groups that are worth it on the slowest path.
void PrefillService::FollowCosts() {
  int32_t layers = 0;
  for (auto& [stream, joined] : joined_) {
    const std::optional<transport::PathCost> cost = parts_.transport.CostOf(joined.peer);
    if (!cost) continue;
    parts_.metrics.SetCost(joined.name, *cost);
    if (!std::exchange(joined.cost_known, true)) {
      BATON_LOG(Info) << "puts to " << joined.name << " take " << 1e6 * Seconds(cost->per_put)
                      << " us each, " << 1e6 * Seconds(cost->per_transfer)
                      << " us per transfer and their bytes at " << cost->bytes_per_s / 1e9
                      << " GB/s";
    }
    layers = std::max(layers, handoff::LayersPerGroup(*cost, ours_.worker.identity.geometry,
                                                      std::max(1, parts_.chunk_tokens)));
  }
  if (parts_.chunk_tokens == 0 || layers == 0 || layers == layer_group_) return;
  layer_group_ = layers;
  parts_.engine->SetLayerGroup(layers);
  parts_.metrics.SetLayerGroup(layers);
}

void PrefillService::OnStepBegin(TimePoint begin) {
  group_ = LayerGroup{.computed = {.begin = begin, .end = begin}};
}

void PrefillService::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  group_.reset();
  parts_.transport_thread.Post(
      [this, sequence, blocks = std::move(blocks), at = parts_.clock.Now()]() mutable {
        parts_.prefill->Blocks(sequence, std::move(blocks.blocks), blocks.cached_tokens, at);
      });
}

void PrefillService::OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                               int32_t tokens) {
  std::optional<handoff::PrefillSide::Computed> computed;
  if (group_) {
    if (layer_begin != group_->layer_begin) {
      group_->layer_begin = layer_begin;
      group_->computed = {.begin = group_->computed.end, .end = parts_.clock.Now()};
    }
    computed = group_->computed;
  }
  parts_.transport_thread.Post([this, sequence, layer_begin, layer_end, tokens, computed] {
    parts_.prefill->KvReady(sequence, layer_begin, layer_end, tokens, computed);
  });
}

void PrefillService::OnPrefilled(SequenceId sequence, TokenOutput first) {
  parts_.transport_thread.Post(
      [this, sequence, first = std::move(first), end = parts_.clock.Now()] {
        parts_.prefill->Prefilled(sequence, first, end);
      });
}

void PrefillService::OnFailed(SequenceId sequence, Status status) {
  parts_.transport_thread.Post(
      [this, sequence, status = std::move(status)] { parts_.prefill->Failed(sequence, status); });
}

Result<SequenceId> PrefillService::OnOffer(transport::PeerId, Request request) {
  const SequenceId sequence = parts_.next_sequence();
  if (!parts_.engine->Submit(
          {.sequence = sequence, .request = std::move(request), .goal = engine::Goal::kPrefill})) {
    return ResourceExhausted("worker " + ours_.worker.identity.name +
                             " takes no more requests now");
  }
  return sequence;
}

void PrefillService::OnAbort(SequenceId sequence) { parts_.engine->Cancel(sequence); }

void PrefillService::OnFinished(SequenceId sequence, const handoff::PrefillReport& report) {
  parts_.metrics.CountPrefill(report);
  parts_.engine->Release(sequence);
}

void PrefillService::OnPeerStuck(transport::PeerId peer, Status status) {
  parts_.transport_thread.Post([this, peer, why = status.message()] {  // Not from within a call.
    const auto stuck = std::find_if(joined_.begin(), joined_.end(),
                                    [&](const auto& join) { return join.second.peer == peer; });
    if (stuck != joined_.end()) Lose(stuck, why);
  });
}

}  // namespace baton::worker
