#pragma once

#include <cstdint>

#include "baton/base/clock.h"
#include "baton/cost/linear_fit.h"

namespace baton::cost {

/// What a step computes, or several steps together.
struct StepShape {
  int64_t prefill_tokens = 0;
  /// Summed over them: the tokens that each attends to.
  int64_t prefill_attended = 0;
  int64_t decode_sequences = 0;
  /// Summed over them: the tokens whose KV each reads.
  int64_t decode_context = 0;

  StepShape& operator+=(const StepShape& other);
  StepShape& operator-=(const StepShape& other);
  bool operator==(const StepShape&) const = default;
};

/// The prompt tokens [begin, end) of one sequence.
StepShape PrefillShape(int64_t begin, int64_t end);

/// A step as it went.
struct StepSample {
  /// Counted from 1 since the worker's start.
  uint64_t number = 0;
  StepShape shape;
  Duration took{};

  bool operator==(const StepSample&) const = default;
};

/// What steps take on one worker: a constant, and so much for each part of a StepShape.
/// *Threads*: one at a time.
class StepModel {
 public:
  void Learn(const StepSample& sample);
  /// What `steps` steps take that do all of `shape` together.
  Duration Predict(const StepShape& shape, int64_t steps = 1) const;

  /// Enough was seen of either kind of step to predict it.
  bool knows_prefill() const { return fit_.observations(kPrefills) > 0; }
  bool knows_decode() const { return fit_.observations(kDecodes) > 0; }

 private:
  /// Groups of observations.
  static constexpr size_t kPrefills = 0;
  static constexpr size_t kDecodes = 1;

  LinearFit fit_{5, 2};
};

/// What of a hand-off comes after its prefill: a constant, and so much for each byte.
/// *Threads*: one at a time.
class TransferModel {
 public:
  void Learn(int64_t bytes, Duration took);
  Duration Predict(int64_t bytes) const;
  bool known() const { return fit_.observations(0) > 0; }

 private:
  LinearFit fit_{2, 1};
};

}  // namespace baton::cost
