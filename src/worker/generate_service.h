#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baton/engine/engine.h"
#include "baton/handoff/decode_side.h"
#include "metrics.h"
#include "peers.h"
#include "sample_log.h"
#include "stream_table.h"
#include "transport_thread.h"

namespace baton::worker {

/// Serves Generate calls: prefills here, or reserves blocks and has a joined peer prefill into
/// them. *Threads*: On* of rpc on gRPC's threads, of the engine on the engine thread, of the
/// hand-off on the transport thread.
class GenerateService final : public handoff::DecodeSideListener {
 public:
  struct Parts {
    TransportThread& transport_thread;
    WorkerMetrics& metrics;
    Clock& clock;
    engine::Engine* engine = nullptr;
    handoff::DecodeSide* decode = nullptr;
    Peers* peers = nullptr;
  };

  GenerateService(std::string name, int32_t local_prefill_max_tokens, Parts parts)
      : name_(std::move(name)),
        local_prefill_max_tokens_(local_prefill_max_tokens),
        parts_(parts) {}
  /// The parts that are built after this; before any call.
  void Connect(engine::Engine& engine, handoff::DecodeSide& decode, Peers& peers);

  void OnGenerate(SequenceId sequence, rpc::GenerateCall call,
                  std::shared_ptr<rpc::GenerateStream> stream);
  void OnGenerateEnded(const rpc::GenerateStream* stream);
  /// Ends all requests, for their callers to go on with them elsewhere. On the transport thread.
  void HandOver();
  size_t streams() const { return streams_.size(); }
  /// All requests under way, in no order.
  std::vector<std::pair<SequenceId, StreamTable::Entry>> Entries() const {
    return streams_.Entries();
  }
  /// The last that were committed.
  std::vector<rpc::HandoffSample> handoffs() const { return handoffs_.Read(); }

  void OnToken(SequenceId sequence, const TokenOutput& output);
  void OnFailed(SequenceId sequence, const Status& status);
  void OnBlocks(SequenceId sequence, engine::PromptBlocks blocks);

  void OnCommitted(SequenceId sequence, TokenOutput first,
                   const handoff::CommitReport& report) override;
  void OnHandoffFailed(SequenceId sequence, handoff::Failure failure, Status status) override;
  void OnReleased(SequenceId sequence) override;
  void OnPeerStuck(transport::PeerId peer, Status status) override;

 private:
  /// `reserved`: when the engine had the blocks.
  void Offer(SequenceId sequence, const engine::PromptBlocks& blocks, TimePoint reserved);
  /// Tells the caller where the time went, if it asked.
  void Report(SequenceId sequence, const handoff::CommitReport& report);
  void Abandon(SequenceId sequence);

  const std::string name_;
  const int32_t local_prefill_max_tokens_;
  Parts parts_;
  StreamTable streams_;
  SampleLog<rpc::HandoffSample> handoffs_;
};

}  // namespace baton::worker
