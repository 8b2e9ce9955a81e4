#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "baton/base/latest.h"
#include "baton/base/mailbox.h"
#include "baton/engine/engine.h"
#include "baton/kv/block_pool.h"
#include "baton/model/model.h"
#include "baton/model/step_runner.h"
#include "baton/scheduler/scheduler.h"
#include "prompt_scorer.h"
#include "step_arrays.h"
#include "token_masks.h"
#include "token_sampler.h"

namespace baton::engine {

/// The engine. Tests drive it with Step() in place of Run().
class StepEngine final : public Engine {
 public:
  StepEngine(const EngineOptions& options, const model::Model& model, model::StepRunner& runner,
             EngineListener& listener, Clock& clock);

  void Run(std::stop_token stop) override;
  bool Submit(Submission submission) override;
  bool Cancel(SequenceId sequence) override;
  bool Commit(SequenceId sequence, TokenOutput first) override;
  bool FailHandoff(SequenceId sequence, Status status) override;
  bool PrefillHere(SequenceId sequence) override;
  bool Release(SequenceId sequence) override;
  bool Inspect(std::function<void(std::vector<SequenceReport>)> then) override;
  void SetLayerGroup(int32_t layers) override { layer_group_ = layers; }
  EngineStats Stats() const override { return stats_.Read(); }
  EngineProgress Progress() const override {
    return {.turns = turns_, .busy = busy_ || mailbox_.size() > 0};
  }

  /// Takes what was posted, then runs one step; where steps overlap, begins one and finishes the
  /// one before. False when there was nothing to compute; then only a post can change that.
  bool Step();
  const kv::BlockPool& pool() const { return pool_; }
  using Sequence = scheduler::Sequence;
  const std::unordered_map<SequenceId, std::unique_ptr<Sequence>>& sequences() const {
    return sequences_;
  }
  /// Those that have ended, but for a step under way that writes their blocks.
  const std::vector<std::unique_ptr<Sequence>>& ending() const { return ending_; }
  /// Commands that were posted and not taken yet.
  size_t pending() const { return mailbox_.size(); }

 private:
  struct CancelCommand {
    SequenceId sequence;
  };
  struct CommitCommand {
    SequenceId sequence;
    TokenOutput first;
  };
  struct FailCommand {
    SequenceId sequence;
    Status status;
  };
  struct PrefillHereCommand {
    SequenceId sequence;
  };
  struct ReleaseCommand {
    SequenceId sequence;
  };
  struct InspectCommand {
    std::function<void(std::vector<SequenceReport>)> then;
  };
  using Command = std::variant<Submission, CancelCommand, CommitCommand, FailCommand,
                               PrefillHereCommand, ReleaseCommand, InspectCommand>;

  void TakeCommands();
  void Apply(Submission&& submission);
  void Apply(CancelCommand&& command);
  void Apply(CommitCommand&& command);
  void Apply(FailCommand&& command);
  void Apply(PrefillHereCommand&& command);
  void Apply(ReleaseCommand&& command);
  void Apply(InspectCommand&& command);

  /// Null for a sequence that has ended.
  Sequence* Find(SequenceId id);
  Status CheckRequest(const Request& request) const;
  Status CheckGrammar(const Request& request) const;
  /// Tells the listener about blocks that sequences with a hand-off were given.
  void AnnounceAdmitted(const std::vector<Sequence*>& admitted);
  /// A step that was begun.
  struct UnderWay {
    scheduler::StepPlan plan;
    cost::StepShape shape;
    TimePoint begin{};
    /// Masks are being worked out since before it was begun.
    bool has_masks = false;
  };
  UnderWay& At(uint64_t step) { return under_way_[step % under_way_.size()]; }

  /// Schedules a step and has the runner start on it. False when there is none to begin now.
  bool BeginStep();
  /// Has the runner draw for the step that was begun last; all before it are finished.
  void DrawStep();
  /// Waits for the step that was begun first, and takes what it gave.
  void FinishStep();
  void AwaitMasks();
  void FailStep(const scheduler::StepPlan& plan, const Status& status);
  /// What the plan's sequences make of it.
  void Take(const scheduler::StepPlan& plan, const model::StepOutput& output);
  void TakeDrawn(const scheduler::Scheduled& scheduled, const model::SampledRows& drawn, size_t i);
  void AnnounceLayers(const scheduler::StepPlan& plan, int32_t begin, int32_t end);
  /// Ends a sequence of which only the prompt was wanted. Its token was drawn like any other and is
  /// given up here.
  void EndScored(Sequence& sequence, TokenOutput output);
  /// Appends a token, decides whether it is the last, and hands it on. May end `sequence`.
  void Accept(Sequence& sequence, TokenOutput output);
  FinishReason FinishOf(const Sequence& sequence) const;
  /// Ends a sequence and keeps its blocks where a peer may touch them still.
  void End(Sequence& sequence);
  /// Forgets a sequence that has ended and gives its blocks back, once no step writes them.
  void Forget(Sequence& sequence);
  void Fail(Sequence& sequence, Status status);
  void FailAll(const Status& status);
  void PublishStats();

  const EngineOptions options_;
  const model::Model& model_;
  model::StepRunner& runner_;
  EngineListener& listener_;
  Clock& clock_;

  const size_t submissions_;
  Mailbox<Command> mailbox_;

  kv::BlockPool pool_;
  scheduler::Scheduler scheduler_;
  StepArrays arrays_;
  TokenMasks masks_;
  PromptScorer scorer_;
  TokenSampler sampler_;
  std::unordered_map<SequenceId, std::unique_ptr<Sequence>> sequences_;
  std::vector<std::unique_ptr<Sequence>> ending_;
  const bool overlaps_;
  std::array<UnderWay, model::StepRunner::kMostUnderWay> under_way_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  EngineStats counters_;
  /// Not told yet.
  std::vector<kv::PrefixChange> prefix_changes_;

  std::atomic<int32_t> layer_group_;
  std::atomic<uint64_t> turns_{0};
  /// Within a step, or after one that computed, which another follows.
  std::atomic<bool> busy_{false};
  Latest<EngineStats> stats_;
};

}  // namespace baton::engine
