#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/cost/step_model.h"
#include "baton/kv/prefix_key.h"
#include "baton/request/request.h"
#include "baton/request/token_constraint.h"

namespace baton::model {
class Model;
class StepRunner;
struct ModelConfig;
struct StepLimits;
}  // namespace baton::model

namespace baton::engine {

/// What the engine does with a sequence.
enum class Goal : uint8_t {
  /// Prefill and decode here.
  kGenerate,
  /// Prefill and draw the first token here, then keep the blocks until Release().
  kPrefill,
  /// Reserve blocks here, wait for Commit() with the first token, then decode.
  kDecode,
};

struct Submission {
  SequenceId sequence{};
  Request request;
  Goal goal = Goal::kGenerate;
  /// With kDecode: prefill here all the same when at most this many prompt tokens are not in the
  /// prefix cache; the sequence then goes on as kGenerate, without OnBlocks. -1: never.
  int32_t local_prefill_max_tokens = -1;
};

/// The blocks that hold a sequence's prompt, in order of position.
struct PromptBlocks {
  std::vector<BlockId> blocks;
  /// Leading tokens whose KV the prefix cache already holds; a multiple of block_tokens.
  int32_t cached_tokens = 0;
};

/// What the engine tells its worker. All calls come on the engine thread and must not block.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  /// A step begins to compute; for those who say where the time goes. One that was begun before
  /// another was finished begins when that one ends.
  virtual void OnStepBegin(TimePoint) {}
  /// It ended; its tokens have been told.
  virtual void OnStepEnd(const cost::StepShape&, Duration) {}
  /// Prefixes that the cache holds from now on, or no more; in order.
  virtual void OnPrefixChanges(std::span<const kv::PrefixChange>) {}
  /// A token of a kGenerate or kDecode sequence. One with a finish reason is the last; the
  /// sequence's blocks are released by then.
  virtual void OnToken(SequenceId sequence, TokenOutput output) = 0;
  /// The sequence ended without finishing; its blocks are released unless a hand-off is under way
  /// (after OnBlocks): then they stay until Release(). With Blast::kWorker the device is sick.
  virtual void OnFailed(SequenceId sequence, Status status) = 0;
  /// kPrefill and kDecode: the prompt's blocks are allocated and pinned.
  virtual void OnBlocks(SequenceId sequence, PromptBlocks blocks) = 0;
  /// kPrefill: KV of positions [0, tokens) of layers [layer_begin, layer_end) is in the cache.
  /// Comes right after OnBlocks for what the prefix cache holds, then within the step of each
  /// chunk.
  virtual void OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                         int32_t tokens) = 0;
  /// kPrefill: all KV is in the cache and the first token is drawn. Blocks stay until Release().
  virtual void OnPrefilled(SequenceId sequence, TokenOutput first) = 0;
};

/// When a step is begun before the one before it is finished.
enum class Overlap : uint8_t {
  kNever,
  /// Where the runner is asynchronous.
  kWhereItGains,
  /// For tests.
  kAlways,
};

struct EngineOptions {
  /// Most tokens in one step; long prompts are prefilled in chunks that fit.
  int32_t step_tokens = 512;
  /// Most sequences that run or are reserved at once; at most step_tokens.
  int32_t running_sequences = 64;
  /// Most sequences that wait; further ones fail with ResourceExhausted.
  int32_t waiting_sequences = 1024;
  /// Longest prompt + output, at most the model's context; 0 is that.
  int32_t context_tokens = 0;
  /// Layers finished between two OnKvReady calls of a step; 0 is all. SetLayerGroup changes it.
  int32_t layer_group = 0;
  bool prefix_cache = true;
  Overlap overlap = Overlap::kWhereItGains;
  /// For requests with a grammar, which are refused where it is null. Outlives the engine.
  TokenConstraintFactory* constraints = nullptr;
};

/// What a runner must be made for, so that an engine with these options can use it. Fails with
/// InvalidArgument for options that can never serve.
Result<model::StepLimits> LimitsFor(const EngineOptions& options, const model::ModelConfig& config);

/// A snapshot of the engine's state; counters are since the start.
struct EngineStats {
  int32_t running = 0;
  int32_t waiting = 0;
  /// What is to be computed as things stand; the fields of scheduler::SchedulerBacklog.
  int64_t prefill_tokens_ahead = 0;
  int32_t decode_sequences = 0;
  int64_t decode_context = 0;
  int32_t blocks_free = 0;
  int32_t blocks_used = 0;
  int32_t blocks_cached = 0;
  int32_t blocks_quarantined = 0;
  /// Computed here, again after preemption too.
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  int64_t prefix_hit_tokens = 0;
  int64_t preemptions = 0;
  int64_t steps = 0;
  double step_seconds = 0;
  /// Of the steps that had prompt tokens in them.
  double prefill_seconds = 0;
  /// Sequences with a grammar.
  int64_t constrained_sequences = 0;
  /// Masks of tokens worked out for them, the CPU time of that, and the time that steps waited.
  int64_t masks = 0;
  double mask_cpu_seconds = 0;
  double mask_wait_seconds = 0;
};

/// Whether the engine thread gets ahead.
struct EngineProgress {
  /// Grows with every step and every look for something to do.
  uint64_t turns = 0;
  /// There is something to do.
  bool busy = false;
};

/// What a sequence is at, for people who look for what holds it up.
struct SequenceReport {
  SequenceId sequence{};
  /// "waiting", "reserved", "running" or "held", as scheduler::SequenceState has it.
  std::string state;
  int32_t prompt_tokens = 0;
  /// Prompt and output, and how many of these have KV in the cache.
  int32_t tokens = 0;
  int32_t computed = 0;
  int32_t blocks = 0;
};

/// One step after the other: schedule, forward, sample, publish.
/// *Threads*: Run() is the engine thread, which owns the scheduler, the block pool and all
/// sequences; the other methods are thread-safe and only post to it. They return false when the
/// engine's mailbox is full (the caller refuses with ResourceExhausted) or the engine has stopped.
class Engine {
 public:
  /// `model`, `runner`, `listener` and `clock` outlive the engine. Fails as LimitsFor does.
  /// REQUIRES: the runner was made for LimitsFor(options).
  static Result<std::unique_ptr<Engine>> Create(const EngineOptions& options,
                                                const model::Model& model,
                                                model::StepRunner& runner, EngineListener& listener,
                                                Clock& clock);
  virtual ~Engine() = default;

  /// Steps until stopped; waits without spinning when there is nothing to do.
  virtual void Run(std::stop_token stop) = 0;

  virtual bool Submit(Submission submission) = 0;
  /// Ends a sequence in any state; idempotent; no further OnToken or OnFailed calls for it once
  /// the engine has seen it. Blocks of a kPrefill or kDecode sequence whose hand-off is under way
  /// (after OnBlocks, before OnToken) stay until Release().
  virtual bool Cancel(SequenceId sequence) = 0;
  /// kDecode: the KV of the prompt has arrived whole, no put can land any more; `first` is the
  /// first token. After Cancel() or FailHandoff() it only releases the blocks. Whether the token is
  /// the last is decided here anew. A token or position that cannot be true fails the sequence
  /// and releases its blocks.
  virtual bool Commit(SequenceId sequence, TokenOutput first) = 0;
  /// kDecode: the hand-off failed. Reports OnFailed(status); the blocks become quarantined and stay
  /// so until Release(), because a put may still land in them.
  virtual bool FailHandoff(SequenceId sequence, Status status) = 0;
  /// kDecode, after OnBlocks: no peer was or will be asked for the prompt, or it has refused. The
  /// sequence goes on as kGenerate in the blocks that it has. Ignored once it has ended.
  virtual bool PrefillHere(SequenceId sequence) = 0;
  /// No put reads (kPrefill) or writes (kDecode) the sequence's blocks any more: ends their pin.
  /// Idempotent. Needed once after OnBlocks, unless a kDecode sequence was committed. Before the
  /// end it ends the sequence too: kPrefill silently, an uncommitted kDecode with
  /// OnFailed(Aborted).
  virtual bool Release(SequenceId sequence) = 0;

  /// From the next step on; see EngineOptions.
  virtual void SetLayerGroup(int32_t layers) = 0;

  /// Has `then` told on the engine thread of all sequences, between two steps. Never while a step
  /// does not end.
  virtual bool Inspect(std::function<void(std::vector<SequenceReport>)> then) = 0;
  virtual EngineStats Stats() const = 0;
  /// As things are, also within a step.
  virtual EngineProgress Progress() const = 0;
};

}  // namespace baton::engine
