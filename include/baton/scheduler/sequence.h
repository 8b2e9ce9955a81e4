#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/kv/block_table.h"
#include "baton/kv/prefix_index.h"
#include "baton/request/request.h"
#include "baton/request/sampling_params.h"
#include "baton/request/token_constraint.h"

namespace baton::scheduler {

enum class SequenceState : uint8_t {
  /// Holds no blocks.
  kWaiting,
  /// Holds its prompt's blocks, whose KV a peer writes; not scheduled before Commit().
  kReserved,
  /// Holds blocks and takes part in steps.
  kRunning,
  /// Takes no part any more; its blocks are pinned or quarantined until Release().
  kHeld,
};

/// What the output must be.
struct SequenceGrammar {
  /// Until it is compiled.
  std::string text;
  std::unique_ptr<TokenConstraint> constraint;
  /// Leading tokens of the sequence that it has taken, the prompt included.
  int32_t taken = 0;
};

/// A request inside one engine. *Ownership*: the engine's; the scheduler points at it from Add() to
/// Finish() or Release(). *Threads*: lives on the engine thread.
/// *Invariants*: KV of positions [0, computed) is in the cache, that of [computed, planned) is what
/// steps under way compute; a token is never taken back, so that computing a sequence again after
/// preemption draws none twice; blocks are given back only while no step is under way for it.
struct Sequence {
  SequenceId id{};
  /// The prompt, then what was generated here.
  std::vector<TokenId> tokens;
  int32_t prompt_tokens = 0;
  /// At the end of the prompt: generated before, by another worker.
  int32_t emitted_tokens = 0;
  /// The sequence ends when it has this many.
  int32_t max_total_tokens = 0;
  SamplingParams sampling;
  /// Not to be drawn before sampling.min_tokens tokens were.
  std::vector<TokenId> banned_early;
  /// Null: anything. Kept over preemption.
  std::unique_ptr<SequenceGrammar> grammar;
  /// Not null: wanted and not told yet. Grows as the prompt is computed, which therefore takes
  /// nothing from the prefix cache.
  std::shared_ptr<PromptLogprobs> prompt_logprobs;
  uint64_t cache_salt = 0;
  /// Among those that wait, less goes first.
  int32_t priority = 0;

  /// Ends with its first token, and keeps its blocks until Release().
  bool prefill_only = false;
  /// A peer prefills, unless at most this many prompt tokens are not in the prefix cache.
  bool remote_prefill = false;
  int32_t local_prefill_max_tokens = -1;

  // Written by the scheduler.
  SequenceState state = SequenceState::kWaiting;
  /// Order of arrival.
  uint64_t arrival = 0;
  kv::BlockTable blocks;
  int32_t computed = 0;
  int32_t planned = 0;
  /// Steps that compute some of it and are not finished, and how many of them draw a token.
  int32_t under_way = 0;
  int32_t awaited = 0;
  /// Which of its step's draws the last one planned is.
  int32_t last_draw = 0;
  /// Prompt tokens found in the prefix cache when first admitted.
  int32_t cached_tokens = 0;
  bool admitted = false;
  /// Leading blocks that the prefix index knows, and their node.
  int32_t indexed_blocks = 0;
  kv::PrefixNode indexed_tail = kv::kPrefixRoot;

  int32_t size() const { return static_cast<int32_t>(tokens.size()); }
  /// Tokens whose KV is to be planned before the next token can be drawn, awaited ones included.
  int32_t pending() const { return size() + awaited - planned; }
  /// Tokens generated, by other workers too.
  int32_t generated() const { return size() - prompt_tokens + emitted_tokens; }
};

}  // namespace baton::scheduler
