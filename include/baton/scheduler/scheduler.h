#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <tuple>
#include <vector>

#include "baton/base/status.h"
#include "baton/kv/block_pool.h"
#include "baton/kv/prefix_index.h"
#include "baton/scheduler/sequence.h"

namespace baton::scheduler {

struct SchedulerOptions {
  int32_t step_tokens = 512;
  int32_t running_sequences = 64;
  int32_t waiting_sequences = 1024;
  int32_t context_tokens = 0;
  int32_t block_tokens = 16;
  bool prefix_cache = true;
};

/// What sequences that wait or run need still.
struct SchedulerBacklog {
  /// Prompt tokens that no peer will compute, those of preempted sequences too.
  int64_t prefill_tokens = 0;
  /// Sequences that draw a token in each step, and what they hold in all.
  int32_t decode_sequences = 0;
  int64_t decode_context = 0;
};

/// Tokens [begin, begin + count) of a sequence go through the step.
struct Scheduled {
  Sequence* sequence = nullptr;
  int32_t begin = 0;
  int32_t count = 0;
  /// The chunk reaches the sequence's end, so that its next token is to be drawn.
  bool draws = false;
  /// Of a prompt or computed again, rather than one token of a decode.
  bool prefill = false;
  /// Not negative: its only token is not known yet; it is this one of those that the step before,
  /// which is under way, draws.
  int32_t drawn_before = -1;

  /// Whether it has not ended since.
  bool runs() const { return sequence->state == SequenceState::kRunning; }
};

/// One step. *Invariants*: the counts sum to `tokens` <= step_tokens; every position has a block.
struct StepPlan {
  std::vector<Scheduled> batch;
  int32_t tokens = 0;
  int32_t draws = 0;
  /// How many of them are prompt or are computed again, rather than one per sequence.
  int32_t prefill_tokens = 0;
  /// Sequences that got their blocks now, in order of arrival; some are in `batch` too.
  std::vector<Sequence*> admitted;
};

/// Decides who takes part in a step and who holds blocks.
///
/// Decodes go first, one token each; what is left of the token budget goes to prefills in order of
/// arrival, in chunks; then waiting sequences are admitted in order of arrival, none past another.
/// A sequence whose prompt is being computed by one before it waits and then takes it from the
/// prefix cache. It gets the blocks of all its tokens when it is admitted, and one more when a
/// decode needs it. When there is none, the latest arrived sequence without a hand-off gives its
/// blocks back and waits at its place in the order of arrival. *Progress*: the oldest running
/// sequence is never preempted but by itself, when all other blocks are pinned; nothing is admitted
/// past the oldest waiting one; so every sequence that fits the pool alone ends, provided that
/// hand-offs end. *Threads*: lives on the engine thread.
class Scheduler {
 public:
  /// `pool` outlives the scheduler. REQUIRES: positive options; running_sequences <= step_tokens.
  Scheduler(const SchedulerOptions& options, kv::BlockPool& pool);

  /// Queues a sequence and sets its max_total_tokens, at most the context and the pool.
  /// *Fails with* InvalidArgument when it could never run, with the numbers; ResourceExhausted
  /// when too many wait.
  Status Add(Sequence& sequence);

  /// The next step; valid until the next call. An empty batch: nothing can be done now, or nothing
  /// before the step that is under way is finished: sequences that end with it for sure, or whose
  /// prompt is scored, wait for it, and so do all when a block is lacking, as the blocks of a
  /// preempted sequence must not go to another while a step writes them. A sequence that may end
  /// with it is planned all the same; if it does, what this step makes of it is thrown away.
  /// REQUIRES: at most one step is under way.
  const StepPlan& Schedule();

  /// The step is finished, whatever came of it: it was planned first of those under way.
  void Finished(const StepPlan& plan);
  /// The KV of a chunk of a finished step is in the cache: full blocks become known to the prefix
  /// index.
  void Advance(const Scheduled& scheduled);
  /// The KV of a reserved sequence's prompt has arrived: it runs from the next step on, once its
  /// first token was appended. REQUIRES: kReserved.
  void Commit(Sequence& sequence);

  /// No peer will compute a reserved sequence's prompt: it is computed here. REQUIRES: kReserved,
  /// and that nothing writes its blocks.
  void PrefillHere(Sequence& sequence);

  /// Forgets the sequence and gives its blocks back. REQUIRES: not kHeld, no step under way for it.
  void Finish(Sequence& sequence);
  /// Ends a sequence whose blocks a peer still reads or a step still writes. REQUIRES: kRunning.
  void Hold(Sequence& sequence);
  /// Ends a sequence into whose blocks a peer may still write. REQUIRES: kReserved.
  void Quarantine(Sequence& sequence);
  /// Gives the blocks of a held sequence back and forgets it. REQUIRES: kHeld, no step under way
  /// for it.
  void Release(Sequence& sequence);

  /// Called whenever a prefix can be found in the cache from now on, or no more.
  void OnPrefixChange(std::function<void(kv::PrefixChange)> changed) {
    index_.OnChange(std::move(changed));
  }

  /// What is to be computed here as things stand.
  SchedulerBacklog backlog() const;
  bool idle() const { return running_.empty() && waiting_.empty(); }
  int32_t running() const { return static_cast<int32_t>(running_.size()) + reserved_; }
  int32_t waiting() const { return static_cast<int32_t>(waiting_.size()); }
  int64_t preemptions() const { return preemptions_; }
  int64_t prefix_hit_tokens() const { return prefix_hit_tokens_; }

 private:
  /// By priority, then by arrival.
  struct GoesFirst {
    bool operator()(const Sequence* a, const Sequence* b) const {
      return std::tie(a->priority, a->arrival) < std::tie(b->priority, b->arrival);
    }
  };
  /// Schedules at most `budget` tokens of `sequence`.
  void Plan(Sequence& sequence, int32_t budget);
  int32_t budget() const { return options_.step_tokens - plan_.tokens; }
  /// Whether the next step may have some of it, as far as the step under way goes.
  bool Ready(const Sequence& sequence) const;
  /// Finds blocks for all running sequences that are ready; false when that must wait for the step
  /// under way.
  bool MakeRoomForAll();
  /// Finds a block for the last token; preempts if need be. False when that hit `sequence` itself.
  bool MakeRoom(Sequence& sequence);
  void Preempt(Sequence& sequence);
  /// Gives the oldest waiting sequence its blocks. False when there are too few, or when it awaits
  /// a prefix.
  bool Admit(Sequence& sequence);
  /// Whether a running sequence is about to compute at least half of what `sequence` lacks beyond
  /// the `shared` tokens that are cached: n samples of one prompt come in one step, and each would
  /// compute it. That one is running, so the wait ends.
  bool AwaitsPrefix(const Sequence& sequence, int32_t shared) const;
  /// Blocks to leave for those who hold some already, so that an admission is not undone at once.
  int32_t Headroom() const;
  void IndexFullBlocks(Sequence& sequence);
  void InsertRunning(Sequence& sequence);
  /// Takes the sequence out of the queue or batch that its state says.
  void Leave(Sequence& sequence);

  const SchedulerOptions options_;
  kv::BlockPool& pool_;
  kv::PrefixIndex index_;
  uint64_t arrivals_ = 0;
  std::set<Sequence*, GoesFirst> waiting_;
  std::vector<Sequence*> running_;  ///< In order of arrival.
  std::vector<Sequence*> ready_;    ///< Those that the step may have some of.
  int32_t reserved_ = 0;
  int64_t preemptions_ = 0;
  int64_t prefix_hit_tokens_ = 0;
  StepPlan plan_;
  int32_t steps_under_way_ = 0;
};

}  // namespace baton::scheduler
