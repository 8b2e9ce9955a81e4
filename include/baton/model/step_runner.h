#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/ops/paged_kv.h"
#include "baton/ops/sample.h"

namespace baton::model {

/// The most that one step may have.
struct StepLimits {
  int32_t step_tokens = 0;
  /// Sequences, and so rows for which a token is drawn.
  int32_t sequences = 0;
  /// Positions of a sequence.
  int32_t context_tokens = 0;
  /// Likeliest tokens that are told of a row.
  int32_t top_logprobs = 0;
};

/// The token of a row that the host does not know yet.
struct DrawnToken {
  int32_t row = 0;
  /// Which of the rows that the step before draws for.
  int32_t draw = 0;
};

/// One step as its caller has it: arrays of the host, which may change once the call returns.
struct StepInput {
  std::span<const TokenId> tokens;  ///< [T]
  /// Rows, ascending, whose entry in `tokens` is not read. Where the step before found no finite
  /// logit, any token is taken in place of the one that is missing.
  std::span<const DrawnToken> drawn = {};
  /// The same T; no plan. Every block in its tables is less than StepRunner::blocks().
  ops::PagedBatch sequences;
  /// Rows of [0, T) for which a token is drawn, ascending.
  std::span<const int32_t> logit_rows;
  /// Further rows whose logits are wanted, ascending, none of logit_rows; and for each the token of
  /// which the log-probability is wanted, and how many of the likeliest. No lists, no mask.
  std::span<const int32_t> scored_rows = {};
  std::span<const ops::SampleRow> scored = {};
  /// Layers between two calls of on_layers; 0 is all of them at once.
  int32_t layer_group = 0;
};

/// What rows gave: one token each, and of each its likeliest ones [rows, StepLimits::top_logprobs],
/// as many of them as the row asked for.
struct SampledRows {
  std::span<const ops::SampledToken> tokens;
  std::span<const ops::SampledToken> top;
};

/// In the order of the rows.
struct StepOutput {
  SampledRows drawn;
  SampledRows scored;
};

/// Computes steps: what stands between an engine and its device, or its devices. A step is begun,
/// drawn for, and finished; on an asynchronous device the first two return before it is computed,
/// and a further step may be begun before the last is finished.
/// *Threads*: lives on the engine thread.
class StepRunner {
 public:
  /// Called on the engine thread when the KV of the step's tokens is in the cache for layers
  /// [begin, end): from within any call of the runner, the step's FinishAndWait() at the latest.
  using OnLayers = std::function<void(int32_t begin, int32_t end)>;

  /// Steps begun and not finished, at most.
  static constexpr int32_t kMostUnderWay = 2;

  /// How many sizes of steps were recorded, of how many.
  using OnRecorded = std::function<void(int32_t done, int32_t of)>;

  virtual ~StepRunner() = default;

  virtual const StepLimits& limits() const = 0;
  /// Of the cache that it computes in.
  virtual int32_t blocks() const = 0;
  virtual int32_t block_tokens() const = 0;
  /// Whether Begin() and Draw() may return before their work is done.
  virtual bool asynchronous() const = 0;

  /// Has the devices record steps of nothing but decodes, for each of a few sizes, so that such steps
  /// are repeated from then on, padded to a size by rows that are nobody's: all sizes on all ranks,
  /// or where one refuses none. Fails when a device is sick. REQUIRES: no step was begun.
  virtual Status RecordAndWait(const OnRecorded& on_recorded) = 0;

  /// Starts to compute the KV of the step's tokens, their logits, and what is scored. REQUIRES: the
  /// input is within the limits; less than kMostUnderWay steps are under way, the last drawn for if
  /// it has logit_rows.
  virtual void Begin(const StepInput& input, OnLayers on_layers) = 0;
  /// Starts to draw for the step that was begun last, once and only if it has logit_rows: one row
  /// each. A token of -1 means that its row had no finite logit. What the rows point at may change
  /// once the call returns.
  virtual void Draw(std::span<const ops::SampleRow> rows) = 0;
  /// Calls on_layers for what has been written since. Never waits.
  virtual void Poll() = 0;
  /// Waits for the step that was begun first; what it gave is valid until the next Begin(). Fails
  /// with Blast::kWorker when the device is sick.
  virtual Result<StepOutput> FinishAndWait() = 0;
};

}  // namespace baton::model
