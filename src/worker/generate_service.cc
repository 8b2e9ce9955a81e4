#include "generate_service.h"

#include <utility>

#include "baton/base/logging.h"

namespace baton::worker {
namespace {

/// Why a prompt is prefilled here although the router named a peer: none of that name takes it.
constexpr char kNoPeer[] = "no_peer";

/// What went wrong with a hand-off costs the peer at most, whatever it is there; what is wrong with
/// the request is so everywhere.
Status OfPeer(const Status& status) {
  const bool of_request = status.code() == StatusCode::kInvalidArgument;
  return status.WithBlast(of_request ? Blast::kRequest : Blast::kPeer);
}

}  // namespace

void GenerateService::Connect(engine::Engine& engine, handoff::DecodeSide& decode, Peers& peers) {
  parts_.engine = &engine;
  parts_.decode = &decode;
  parts_.peers = &peers;
}

void GenerateService::OnGenerate(SequenceId sequence, rpc::GenerateCall call,
                                 std::shared_ptr<rpc::GenerateStream> stream) {
  const bool remote = !call.prefill_peer.empty();
  engine::Submission submission{.sequence = sequence,
                                .request = call.request,
                                .goal = remote ? engine::Goal::kDecode : engine::Goal::kGenerate,
                                .local_prefill_max_tokens = local_prefill_max_tokens_};
  StreamTable::Entry entry{.stream = stream, .received = parts_.clock.Now()};
  if (call.request.trace) {
    entry.traced = std::make_shared<TracedStream>(stream, name_, parts_.clock);
    entry.caller = stream.get();
    entry.stream = entry.traced;
  }
  entry.call = std::make_shared<const rpc::GenerateCall>(std::move(call));
  streams_.Add(sequence, std::move(entry));
  if (parts_.engine->Submit(std::move(submission))) return;
  streams_.Remove(sequence);
  stream->Finish(ResourceExhausted("worker " + name_ + " takes no more requests now"));
}

void GenerateService::OnGenerateEnded(const rpc::GenerateStream* stream) {
  const auto sequence = streams_.FindSequence(stream);
  if (!sequence) return;  // It finished.
  Abandon(*sequence);
}

/// The order makes Offer() below sure: a sequence whose stream is gone has its Cancel posted, and
/// one whose stream is there when it is offered gets its cancellation after the offer.
void GenerateService::Abandon(SequenceId sequence) {
  parts_.engine->Cancel(sequence);
  streams_.Remove(sequence);
  parts_.transport_thread.Post([this, sequence] { parts_.decode->Cancel(sequence); });
}

void GenerateService::HandOver() {
  const std::vector<SequenceId> rest = streams_.Sequences();
  if (rest.empty()) return;
  BATON_LOG(Info) << rest.size() << " requests are handed over: they would take too long here";
  for (const SequenceId sequence : rest) {
    const auto stream = streams_.Find(sequence);
    if (!stream) continue;  // It has just finished.
    Abandon(sequence);
    stream->Finish(Aborted("worker " + name_ + " ends; go on elsewhere"));
  }
}

void GenerateService::OnToken(SequenceId sequence, const TokenOutput& output) {
  if (const auto unrouted = streams_.TakeUnrouted(sequence)) {
    const auto call = streams_.FindCall(sequence);
    const std::string told = call ? call->reason : "";
    const bool chosen = call && !call->prefill_peer.empty();
    const std::string reason = chosen ? "few_tokens" : told.empty() ? "mixed" : told;
    parts_.metrics.CountDecision("local", reason);
    unrouted->SendRoute("local=" + name_ + (told.empty() ? "" : " reason=" + reason));
  }
  const auto stream = streams_.Find(sequence);
  if (!stream) return;
  const bool sent = stream->SendToken(output);
  if (output.finish != FinishReason::kNone) {
    streams_.Remove(sequence);
    stream->Finish(sent ? OkStatus() : ResourceExhausted("the caller reads too slowly"));
  } else if (!sent) {
    Abandon(sequence);
    stream->Finish(ResourceExhausted("the caller reads too slowly"));
  }
}

void GenerateService::OnFailed(SequenceId sequence, const Status& status) {
  if (const auto stream = streams_.Remove(sequence)) stream->Finish(status);
}

void GenerateService::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  parts_.transport_thread.Post(
      [this, sequence, blocks = std::move(blocks), reserved = parts_.clock.Now()] {
        Offer(sequence, blocks, reserved);
      });
}

void GenerateService::Offer(SequenceId sequence, const engine::PromptBlocks& blocks,
                            TimePoint reserved) {
  const auto entry = streams_.FindEntry(sequence);
  if (!entry) {  // Cancelled before anybody could write into its blocks.
    parts_.engine->Release(sequence);
    return;
  }
  const auto& call = entry->call;
  const auto peer = parts_.peers->Find(call->prefill_peer);
  if (!peer) {  // It left, was lost, or changed its role since the router chose it.
    streams_.KeepHere(sequence, kNoPeer);
    parts_.engine->PrefillHere(sequence);
    return;
  }
  const Status status = parts_.decode->Offer(
      *peer, call->request,
      {.sequence = sequence, .blocks = blocks.blocks, .cached_tokens = blocks.cached_tokens});
  if (!status.ok()) {
    parts_.engine->FailHandoff(sequence, OfPeer(status));
    parts_.engine->Release(sequence);
    return;
  }
  if (entry->traced) {
    entry->traced->Stage("queued", reserved);
    entry->traced->Stage("offer", parts_.clock.Now(), {{"cached tokens", blocks.cached_tokens}});
  }
  if (const auto stream = streams_.TakeUnrouted(sequence)) {
    const std::string& told = call->reason;
    parts_.metrics.CountDecision("remote", told.empty() ? "split" : told);
    stream->SendRoute("prefill=" + call->prefill_peer + " decode=" + name_ +
                      (told.empty() ? "" : " reason=" + told));
  }
}

void GenerateService::OnCommitted(SequenceId sequence, TokenOutput first,
                                  const handoff::CommitReport& report) {
  parts_.metrics.CountCommit(report);
  if (const auto call = streams_.FindCall(sequence)) {
    handoffs_.Add({.peer = call->prefill_peer,
                   .bytes = report.transfer.bytes,
                   .took = report.stages.transfer + report.stages.commit});
  }
  Report(sequence, report);
  parts_.engine->Commit(sequence, std::move(first));
}

void GenerateService::Report(SequenceId sequence, const handoff::CommitReport& report) {
  const auto entry = streams_.FindEntry(sequence);
  if (!entry) return;
  rpc::GenerateReport out;
  if (entry->call->request.timings) {
    out.timings = {.reserve = report.offered - entry->received, .stages = report.stages};
  }
  if (entry->traced) {
    entry->traced->Stage("wait for commit", report.arrived, {{"redone", report.redone}});
    entry->traced->Stage("check commit", parts_.clock.Now(), {{"bytes", report.transfer.bytes}});
    if (report.trace) entry->traced->AddPeer(*report.trace);
  }
  if (out.timings || entry->traced) entry->stream->SendReport(out);
}

void GenerateService::OnHandoffFailed(SequenceId sequence, handoff::Failure failure,
                                      Status status) {
  if (failure == handoff::Failure::kRefused && status.code() == StatusCode::kUnavailable) {
    // The peer leaves and has put nothing. OnReleased, which follows, then ends nothing.
    parts_.engine->PrefillHere(sequence);
    return;
  }
  const auto call = streams_.FindCall(sequence);
  BATON_LOG(Warning) << (call ? LogSubject(call->request.id, call->request.context.trace) + ": "
                              : "")
                     << "a hand-off failed (" << FailureName(failure) << "): " << status.message();
  parts_.engine->FailHandoff(sequence, OfPeer(status));
}

void GenerateService::OnReleased(SequenceId sequence) { parts_.engine->Release(sequence); }

void GenerateService::OnPeerStuck(transport::PeerId peer, Status status) {
  parts_.transport_thread.Post(
      [this, peer, status = std::move(status)] {  // Not from within a call.
        parts_.peers->Lose(peer, status);
      });
}

}  // namespace baton::worker
