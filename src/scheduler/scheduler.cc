#include "baton/scheduler/scheduler.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::scheduler {

Scheduler::Scheduler(const SchedulerOptions& options, kv::BlockPool& pool)
    : options_(options), pool_(pool), index_(pool, options.block_tokens) {
  BATON_CHECK(options.step_tokens > 0 && options.running_sequences > 0 &&
              options.waiting_sequences > 0 && options.context_tokens > 0);
  BATON_CHECK(options.running_sequences <= options.step_tokens);
  running_.reserve(static_cast<size_t>(options.running_sequences));
  plan_.batch.reserve(static_cast<size_t>(options.running_sequences));
}

Status Scheduler::Add(Sequence& sequence) {
  const auto refuse = [&](const std::string& why) {
    return InvalidArgument("the prompt has " + std::to_string(sequence.size()) + " tokens, " + why);
  };
  if (sequence.size() >= options_.context_tokens) {
    return refuse("the context holds " + std::to_string(options_.context_tokens) +
                  " for prompt and output");
  }
  const int32_t blocks = CeilDiv(sequence.size(), options_.block_tokens);
  if (blocks > pool_.size()) {
    return refuse("which need " + std::to_string(blocks) + " KV blocks of " +
                  std::to_string(options_.block_tokens) + " tokens; this worker has " +
                  std::to_string(pool_.size()));
  }
  if (sequence.emitted_tokens > 0 && sequence.emitted_tokens >= sequence.sampling.max_tokens) {
    return InvalidArgument("max_tokens " + std::to_string(sequence.sampling.max_tokens) +
                           " were emitted already");
  }
  if (waiting() >= options_.waiting_sequences) {
    return ResourceExhausted(std::to_string(waiting()) + " sequences are waiting already");
  }
  // The last token is drawn, but its KV is never needed.
  const int64_t pool_tokens = int64_t{pool_.size()} * options_.block_tokens + 1;
  const int64_t asked =
      int64_t{sequence.size()} - sequence.emitted_tokens + int64_t{sequence.sampling.max_tokens};
  sequence.max_total_tokens =
      static_cast<int32_t>(std::min({asked, int64_t{options_.context_tokens}, pool_tokens}));
  sequence.state = SequenceState::kWaiting;
  sequence.arrival = arrivals_++;
  sequence.blocks = kv::BlockTable(options_.block_tokens);
  waiting_.insert(&sequence);
  return OkStatus();
}

const StepPlan& Scheduler::Schedule() {
  BATON_CHECK(steps_under_way_ <= 1);
  plan_.batch.clear();
  plan_.admitted.clear();
  plan_.tokens = 0;
  plan_.draws = 0;
  plan_.prefill_tokens = 0;
  if (!MakeRoomForAll()) return plan_;
  // Planning a sequence changes what it has pending, so that none is taken for both.
  const auto decodes = [&](const Sequence* sequence) { return sequence->pending() == 1; };
  ready_.clear();
  std::copy_if(running_.begin(), running_.end(), std::back_inserter(ready_),
               [&](const Sequence* sequence) { return Ready(*sequence); });
  const auto prefills = std::stable_partition(ready_.begin(), ready_.end(), decodes);
  std::for_each(ready_.begin(), prefills, [&](Sequence* s) { Plan(*s, budget()); });
  for (auto next = prefills; next != ready_.end() && budget() > 0; ++next) Plan(**next, budget());
  while (!waiting_.empty() && running() < options_.running_sequences) {
    Sequence& sequence = **waiting_.begin();
    // A reservation costs no tokens, so it need not wait until there are some to spend.
    if (budget() == 0 && !sequence.remote_prefill) break;
    if (!Admit(sequence)) break;
    if (sequence.state == SequenceState::kRunning && budget() > 0) Plan(sequence, budget());
  }
  if (!plan_.batch.empty()) ++steps_under_way_;
  return plan_;
}

void Scheduler::Plan(Sequence& sequence, int32_t budget) {
  const int32_t count = std::min(sequence.pending(), budget);
  const bool prefill = sequence.pending() > 1;
  const bool draws = count == sequence.pending();
  plan_.tokens += count;
  if (prefill) plan_.prefill_tokens += count;
  plan_.batch.push_back({.sequence = &sequence,
                         .begin = sequence.planned,
                         .count = count,
                         .draws = draws,
                         .prefill = prefill,
                         .drawn_before = sequence.awaited > 0 ? sequence.last_draw : -1});
  sequence.planned += count;
  ++sequence.under_way;
  if (!draws) return;
  ++sequence.awaited;
  sequence.last_draw = plan_.draws++;
}

void Scheduler::Finished(const StepPlan& plan) {
  BATON_CHECK(steps_under_way_ > 0);
  --steps_under_way_;
  for (const Scheduled& scheduled : plan.batch) {
    --scheduled.sequence->under_way;
    if (scheduled.draws) --scheduled.sequence->awaited;
  }
}

bool Scheduler::Ready(const Sequence& sequence) const {
  if (sequence.under_way == 0) return true;
  if (sequence.prompt_logprobs != nullptr) return false;
  if (sequence.awaited == 0) return true;
  return !sequence.prefill_only && sequence.sampling.max_tokens > 0 &&
         sequence.size() + sequence.awaited < sequence.max_total_tokens;
}

bool Scheduler::MakeRoomForAll() {
  // Preemption only removes sequences from `i` on, since it takes the latest arrived.
  for (size_t i = 0; i < running_.size();) {
    Sequence& sequence = *running_[i];
    if (sequence.pending() > 1 || !Ready(sequence)) {
      ++i;
    } else if (steps_under_way_ == 0) {
      if (MakeRoom(sequence)) ++i;
    } else {
      if (!sequence.blocks.Grow(pool_, sequence.size() + sequence.awaited)) return false;
      ++i;
    }
  }
  return true;
}

bool Scheduler::MakeRoom(Sequence& sequence) {
  while (!sequence.blocks.Grow(pool_, sequence.size())) {
    // Sequences with a hand-off never grow, so there is a victim: at the latest this one.
    const auto victim = std::find_if(running_.rbegin(), running_.rend(),
                                     [](const Sequence* s) { return !s->prefill_only; });
    BATON_CHECK(victim != running_.rend());
    Sequence& latest = **victim;
    Preempt(latest);
    if (&latest == &sequence) return false;
  }
  return true;
}

void Scheduler::Preempt(Sequence& sequence) {
  BATON_CHECK(sequence.under_way == 0);
  Leave(sequence);
  sequence.blocks.Free(pool_);
  sequence.computed = 0;
  sequence.planned = 0;
  sequence.indexed_blocks = 0;
  sequence.indexed_tail = kv::kPrefixRoot;
  sequence.state = SequenceState::kWaiting;
  waiting_.insert(&sequence);
  ++preemptions_;
}

int32_t Scheduler::Headroom() const {
  const auto growing = std::count_if(running_.begin(), running_.end(),
                                     [](const Sequence* s) { return !s->prefill_only; });
  const int32_t holders = static_cast<int32_t>(growing) + reserved_;
  return holders == 0 ? 0 : holders + pool_.size() / 64;
}

bool Scheduler::AwaitsPrefix(const Sequence& sequence, int32_t shared) const {
  if (!options_.prefix_cache || sequence.prompt_logprobs != nullptr) return false;
  const int32_t missing = sequence.size() - shared;
  for (const Sequence* other : running_) {
    if (other->size() - other->computed <= 1 || other->cache_salt != sequence.cache_salt) continue;
    const int32_t most = std::min(sequence.size() - 1, other->size());
    const auto end = other->tokens.begin() + most;
    const auto differs = std::mismatch(other->tokens.begin(), end, sequence.tokens.begin()).first;
    const auto alike = static_cast<int32_t>(differs - other->tokens.begin());
    const int32_t whole = alike / options_.block_tokens * options_.block_tokens;
    if (whole > other->computed && 2 * (whole - shared) >= missing) return true;
  }
  return false;
}

bool Scheduler::Admit(Sequence& sequence) {
  const int32_t headroom = Headroom();
  // At least one block is fresh, so that a full pool costs no lookup.
  if (pool_.available() <= headroom) return false;
  kv::PrefixMatch match;
  if (options_.prefix_cache && sequence.prompt_logprobs == nullptr) {
    // The last token is always computed: its logits are wanted.
    match = index_.Lookup(std::span(sequence.tokens).first(sequence.tokens.size() - 1),
                          sequence.cache_salt);
  }
  const auto revived = std::count_if(match.blocks.begin(), match.blocks.end(), [&](BlockId block) {
    return pool_.state(block) == kv::BlockState::kCached;
  });
  const int32_t shared = static_cast<int32_t>(match.blocks.size());
  if (AwaitsPrefix(sequence, shared * options_.block_tokens)) return false;
  const int32_t fresh = CeilDiv(sequence.size(), options_.block_tokens) - shared;
  if (fresh + headroom > pool_.available() - static_cast<int32_t>(revived)) return false;
  waiting_.erase(&sequence);
  sequence.blocks.Adopt(pool_, match.blocks);
  BATON_CHECK(sequence.blocks.Grow(pool_, sequence.size()));
  sequence.computed = sequence.planned = shared * options_.block_tokens;
  sequence.indexed_blocks = shared;
  sequence.indexed_tail = match.tail;
  if (!sequence.admitted) {
    sequence.admitted = true;
    sequence.cached_tokens = sequence.computed;
    prefix_hit_tokens_ += sequence.computed;
  }
  if (sequence.remote_prefill && sequence.pending() > sequence.local_prefill_max_tokens) {
    sequence.state = SequenceState::kReserved;
    ++reserved_;
  } else {
    sequence.remote_prefill = false;
    InsertRunning(sequence);
  }
  plan_.admitted.push_back(&sequence);
  return true;
}

SchedulerBacklog Scheduler::backlog() const {
  SchedulerBacklog backlog;
  for (const Sequence* sequence : running_) {
    if (sequence->pending() > 1) {
      backlog.prefill_tokens += sequence->pending();
    } else {
      ++backlog.decode_sequences;
      backlog.decode_context += sequence->size();
    }
  }
  for (const Sequence* sequence : waiting_) {
    if (!sequence->remote_prefill) backlog.prefill_tokens += sequence->pending();
  }
  return backlog;
}

void Scheduler::InsertRunning(Sequence& sequence) {
  sequence.state = SequenceState::kRunning;
  const auto place = std::upper_bound(
      running_.begin(), running_.end(), &sequence,
      [](const Sequence* a, const Sequence* b) { return a->arrival < b->arrival; });
  running_.insert(place, &sequence);
}

void Scheduler::Advance(const Scheduled& scheduled) {
  Sequence& sequence = *scheduled.sequence;
  BATON_CHECK(sequence.computed == scheduled.begin);
  sequence.computed += scheduled.count;
  IndexFullBlocks(sequence);
}

void Scheduler::IndexFullBlocks(Sequence& sequence) {
  if (!options_.prefix_cache) return;
  const int32_t full = sequence.computed / options_.block_tokens;
  for (; sequence.indexed_blocks < full; ++sequence.indexed_blocks) {
    const size_t i = static_cast<size_t>(sequence.indexed_blocks);
    const size_t tokens = static_cast<size_t>(options_.block_tokens);
    sequence.indexed_tail =
        index_.Insert(sequence.indexed_tail, std::span(sequence.tokens).subspan(i * tokens, tokens),
                      sequence.cache_salt, sequence.blocks.blocks()[i]);
  }
}

void Scheduler::Commit(Sequence& sequence) {
  BATON_CHECK(sequence.state == SequenceState::kReserved);
  Leave(sequence);
  sequence.remote_prefill = false;
  sequence.computed = sequence.planned = sequence.size();
  IndexFullBlocks(sequence);
  InsertRunning(sequence);
}

void Scheduler::PrefillHere(Sequence& sequence) {
  BATON_CHECK(sequence.state == SequenceState::kReserved);
  Leave(sequence);
  sequence.remote_prefill = false;
  InsertRunning(sequence);
}

void Scheduler::Finish(Sequence& sequence) {
  BATON_CHECK(sequence.state != SequenceState::kHeld && sequence.under_way == 0);
  Leave(sequence);
  sequence.blocks.Free(pool_);
}

void Scheduler::Hold(Sequence& sequence) {
  BATON_CHECK(sequence.state == SequenceState::kRunning);
  Leave(sequence);
  sequence.state = SequenceState::kHeld;
}

void Scheduler::Quarantine(Sequence& sequence) {
  BATON_CHECK(sequence.state == SequenceState::kReserved);
  Leave(sequence);
  sequence.blocks.Quarantine(pool_, sequence.indexed_blocks);
  sequence.state = SequenceState::kHeld;
}

void Scheduler::Release(Sequence& sequence) {
  BATON_CHECK(sequence.state == SequenceState::kHeld && sequence.under_way == 0);
  if (sequence.remote_prefill) {
    sequence.blocks.EndQuarantine(pool_);
  } else {
    sequence.blocks.Free(pool_);
  }
}

void Scheduler::Leave(Sequence& sequence) {
  switch (sequence.state) {
    case SequenceState::kWaiting: waiting_.erase(&sequence); break;
    case SequenceState::kReserved: --reserved_; break;
    case SequenceState::kRunning: std::erase(running_, &sequence); break;
    case SequenceState::kHeld: break;
  }
}

}  // namespace baton::scheduler
