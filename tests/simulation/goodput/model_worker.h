#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/random.h"
#include "baton/rpc/client.h"
#include "event_queue.h"

namespace baton::simulation {

/// What work takes on a kind of machine.
struct Machine {
  Duration step{};
  Duration prefill_token{};
  /// Per token that a prefilled one attends to, and per token of the context of a decoded one.
  Duration attended_token{};
  Duration decode_sequence{};
  Duration context_token{};
  /// A hand-off beyond its prefill.
  Duration transfer{};
  double transfer_bytes_per_s = 0;
  int64_t kv_bytes_per_token = 0;
  int64_t kv_tokens = 0;
  int32_t step_tokens = 0;

  Duration Time(const cost::StepShape& shape) const;
  Duration TransferTime(int64_t tokens) const;
};

/// A worker that computes nothing but takes its time: decodes first and then a chunk of the oldest
/// prompts in each step, as the scheduler does, and hand-offs that hide nothing of a transfer. It
/// takes another role once what it has in its own has ended, or its patience has. Each step takes
/// what `machine` says, up to a tenth more or less.
class ModelWorker {
 public:
  ModelWorker(std::string name, Role role, const Machine& machine, EventQueue& events,
              uint64_t seed);

  const std::string& name() const { return name_; }
  Role role() const { return role_; }
  /// How it finds others; before SetPeers().
  void SetDirectory(std::function<ModelWorker&(const std::string& name)> directory) {
    directory_ = std::move(directory);
  }
  /// Prefill workers that it is joined with from a moment later on.
  void SetPeers(const std::vector<rpc::PeerAddress>& peers);
  void SetRole(Role role, Duration patience);

  rpc::WorkerDescription Describe() const;
  rpc::WorkerStatus Status();
  std::shared_ptr<rpc::Call> Generate(const rpc::GenerateCall& call,
                                      rpc::GenerateCallbacks callbacks);

 private:
  struct Sequence {
    int64_t prompt = 0;
    int64_t output = 0;
    rpc::GenerateCallbacks callbacks;
    int64_t prefilled = 0;
    int64_t drawn = 0;
    /// What follows the prefill in place of decoding here.
    std::function<void()> on_prefilled;
  };
  using Sequences = std::list<std::shared_ptr<Sequence>>;

  void Enqueue(std::shared_ptr<Sequence> sequence);
  void Commit(const std::shared_ptr<Sequence>& sequence);
  /// Waiting sequences that fit become prefills.
  void Admit();
  void BeginStep();
  void EndStep(const cost::StepShape& shape, Duration took, const std::vector<int64_t>& chunks);
  void Draw(Sequence& sequence);
  /// Takes its new role when that is due.
  void ChangeRole();
  bool TakesOffers() const { return role_ == Role::kPrefill && !changing_to_; }
  int64_t KvTokens(const Sequence& sequence) const { return sequence.prompt + sequence.output; }

  const std::string name_;
  Role role_;
  std::optional<Role> changing_to_;
  TimePoint change_by_{};
  const Machine& machine_;
  EventQueue& events_;
  Random random_;
  std::function<ModelWorker&(const std::string& name)> directory_;
  std::vector<rpc::PeerAddress> told_peers_;
  std::map<std::string, ModelWorker*> peers_;
  /// Sequences that it prefills for others, and those that others prefill for it.
  int64_t offers_ = 0;
  int64_t offered_ = 0;
  std::deque<std::shared_ptr<Sequence>> waiting_;
  Sequences prefills_;
  Sequences decodes_;
  int64_t kv_used_ = 0;
  bool stepping_ = false;
  std::deque<cost::StepSample> steps_;
  std::deque<rpc::HandoffSample> handoffs_;
  uint64_t step_number_ = 0;
  uint64_t handoff_number_ = 0;
};

/// Reaches one worker from a router on the same clock; statuses come every 100 ms.
std::unique_ptr<rpc::WorkerClient> Reach(ModelWorker& worker, EventQueue& events);

}  // namespace baton::simulation
