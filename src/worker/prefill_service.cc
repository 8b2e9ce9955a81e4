#include "prefill_service.h"

#include <utility>

#include "baton/base/logging.h"

namespace baton::worker {

void PrefillService::Connect(engine::Engine& engine, handoff::PrefillSide& prefill) {
  parts_.engine = &engine;
  parts_.prefill = &prefill;
}

void PrefillService::OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream) {
  parts_.transport_thread.Post([this, hello = std::move(hello), stream = std::move(stream)] {
    const std::string& name = hello.worker.identity.name;
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
    joined_[stream.get()] = *std::move(joined);
    stream->Accept({.worker = ours_, .connection = hello.connection});
  });
}

Result<PrefillService::Joined> PrefillService::Join(const rpc::JoinHello& hello) {
  BATON_RETURN_IF_ERROR(CheckCompatible(ours_.identity, hello.worker.identity));
  BATON_ASSIGN_OR_RETURN(const transport::PeerId peer,
                         parts_.transport.Connect(hello.worker.transport_address));
  Joined joined{.name = hello.worker.identity.name, .peer = peer};
  joined.path = parts_.transport.FindPath(peer);
  const Status status = [&]() -> Status {
    BATON_RETURN_IF_ERROR(transport::CheckFound(parts_.required, joined.path));
    return parts_.prefill->AddPeer(
        peer, {.worker = hello.worker.identity, .connection = hello.connection});
  }();
  if (status.ok()) return joined;
  parts_.transport.Disconnect(peer);
  return status;
}

void PrefillService::OnJoinEnded(const rpc::JoinStream* stream) {
  parts_.transport_thread.Post([this, stream] {
    const auto it = joined_.find(stream);
    if (it == joined_.end()) return;
    const Joined lost = std::move(it->second);
    joined_.erase(it);
    BATON_LOG(Info) << "decode worker " << lost.name << " is gone";
    parts_.metrics.SetPath(lost.name, lost.path, false);
    parts_.prefill->LosePeer(lost.peer, Unavailable("decode worker " + lost.name + " was lost"));
    parts_.transport.Disconnect(lost.peer);
  });
}

void PrefillService::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  parts_.transport_thread.Post([this, sequence, blocks = std::move(blocks)]() mutable {
    parts_.prefill->Blocks(sequence, std::move(blocks.blocks), blocks.cached_tokens);
  });
}

void PrefillService::OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                               int32_t tokens) {
  parts_.transport_thread.Post([this, sequence, layer_begin, layer_end, tokens] {
    parts_.prefill->KvReady(sequence, layer_begin, layer_end, tokens);
  });
}

void PrefillService::OnPrefilled(SequenceId sequence, TokenOutput first) {
  parts_.transport_thread.Post(
      [this, sequence, first = std::move(first)] { parts_.prefill->Prefilled(sequence, first); });
}

void PrefillService::OnFailed(SequenceId sequence, Status status) {
  parts_.transport_thread.Post(
      [this, sequence, status = std::move(status)] { parts_.prefill->Failed(sequence, status); });
}

Result<SequenceId> PrefillService::OnOffer(transport::PeerId, Request request) {
  const SequenceId sequence = parts_.next_sequence();
  if (!parts_.engine->Submit(
          {.sequence = sequence, .request = std::move(request), .goal = engine::Goal::kPrefill})) {
    return ResourceExhausted("worker " + ours_.identity.name + " takes no more requests now");
  }
  return sequence;
}

void PrefillService::OnAbort(SequenceId sequence) { parts_.engine->Cancel(sequence); }

void PrefillService::OnFinished(SequenceId sequence, const handoff::PrefillReport& report) {
  parts_.metrics.CountPrefill(report);
  parts_.engine->Release(sequence);
}

void PrefillService::OnPeerStuck(transport::PeerId peer, Status status) {
  for (const auto& [stream, joined] : joined_) {
    if (joined.peer == peer) joined.stream->Refuse(status);
  }
}

}  // namespace baton::worker
