#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "baton/engine/engine.h"
#include "baton/handoff/prefill_side.h"
#include "baton/rpc/server.h"
#include "liveness.h"
#include "metrics.h"
#include "transport_thread.h"

namespace baton::worker {

/// Serves joined decode workers: takes their offers, has the engine prefill them, and lets the
/// hand-off put and commit. *Threads*: as GenerateService.
class PrefillService final : public handoff::PrefillSideListener {
 public:
  struct Parts {
    TransportThread& transport_thread;
    transport::Transport& transport;
    WorkerMetrics& metrics;
    /// What KV may leave over.
    transport::RequiredPaths required;
    Clock& clock;
    /// Names the sequence of an offer.
    std::function<SequenceId()> next_sequence;
    /// Tokens that the engine prefills at a time, for layer groups that follow from what the paths
    /// cost; 0: the engine's groups stay as they are.
    int32_t chunk_tokens = 0;
    engine::Engine* engine = nullptr;
    handoff::PrefillSide* prefill = nullptr;
  };

  /// `ours` but for its connection.
  PrefillService(rpc::JoinHello ours, Parts parts)
      : ours_(std::move(ours)), parts_(std::move(parts)) {}
  /// The parts that are built after this; before any call.
  void Connect(engine::Engine& engine, handoff::PrefillSide& prefill);

  void OnJoin(rpc::JoinHello hello, std::shared_ptr<rpc::JoinStream> stream);
  void OnJoinAlive(const rpc::JoinStream* stream);
  void OnJoinEnded(const rpc::JoinStream* stream);
  /// The peer showed by a message that it is there.
  void Heard(transport::PeerId peer, TimePoint now);
  /// Gives signs of life and gives up who is silent; returns when something will be due.
  TimePoint Tick(TimePoint now);
  /// Takes over what the transport has learnt about the paths.
  void FollowCosts();
  /// False asks all peers, and those that join from now on, to end their joins once nothing is
  /// under way over them.
  void TakeOffers(bool takes);
  void EndJoins(const std::string& why);
  size_t joins() const { return joined_.size(); }
  /// Peers given up because they were silent, so far.
  int64_t silent() const { return silent_; }

  void OnStepBegin(TimePoint begin);
  void OnBlocks(SequenceId sequence, engine::PromptBlocks blocks);
  void OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end, int32_t tokens);
  void OnPrefilled(SequenceId sequence, TokenOutput first);
  void OnFailed(SequenceId sequence, Status status);

  Result<SequenceId> OnOffer(transport::PeerId peer, Request request) override;
  void OnAbort(SequenceId sequence) override;
  void OnFinished(SequenceId sequence, const handoff::PrefillReport& report) override;
  void OnPeerStuck(transport::PeerId peer, Status status) override;

 private:
  struct Joined {
    std::shared_ptr<rpc::JoinStream> stream;
    std::string name;
    Epoch epoch;
    transport::PeerId peer{};
    transport::Path path;
    Liveness liveness;
    /// Whether the log has what the path costs.
    bool cost_known = false;
  };
  using Joins = std::map<const rpc::JoinStream*, Joined>;
  /// The layers that the engine computed last, for all sequences of its step together.
  struct LayerGroup {
    int32_t layer_begin = -1;
    handoff::PrefillSide::Computed computed;
  };

  void Accept(const rpc::JoinHello& hello, const std::shared_ptr<rpc::JoinStream>& stream);
  Result<Joined> Join(const rpc::JoinHello& hello);
  void Lose(Joins::iterator joined, const std::string& why);

  const rpc::JoinHello ours_;
  Parts parts_;
  /// Lives on the transport thread.
  Joins joined_;
  int64_t silent_ = 0;
  int32_t layer_group_ = 0;
  bool offers_ = true;
  /// Lives on the engine thread; absent between two steps.
  std::optional<LayerGroup> group_;
};

}  // namespace baton::worker
