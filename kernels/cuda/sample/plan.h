#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/sample.h"

namespace baton::kernels::cuda {

/// What one row asks for, as the device reads it. A plan is R of these, then their adjustments and
/// masks.
struct PlannedRow {
  /// log2(e) / temperature; 0 draws the likeliest.
  double octaves_per_logit = 0;
  /// Weights below are dropped: min_p in the units of kWeightOne, at least 1.
  uint64_t least_weight = 1;
  float top_p = 1;
  int32_t top_k = 0;
  /// UniformAt(seed, position) times 2^24.
  uint32_t uniform = 0;
  TokenId given = -1;
  int32_t logprobs = -1;
  float repetition_penalty = 1;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  /// Where the row's adjustments begin, in bytes from the plan's beginning, and their number.
  uint32_t adjustments_begin = 0;
  uint32_t adjustments = 0;
  /// Where its mask begins, likewise; 0: none.
  uint32_t mask_begin = 0;
  /// Whether top_k or top_p may leave tokens out.
  int32_t cuts = 0;
};

/// What is done to one token's logit before anything is drawn. A row has at most one per token.
struct Adjustment {
  static constexpr uint32_t kRepeated = 1;  ///< The repetition penalty applies.
  static constexpr uint32_t kBanned = 2;

  TokenId token = 0;
  float bias = 0;
  int32_t output_count = 0;
  uint32_t flags = 0;
  /// The logit before; written on the device.
  float before = 0;
};

/// An upper bound of the bytes of a plan for these rows.
size_t SamplePlanBytes(const ops::SampleRow* rows, int64_t R, int64_t V);

/// Writes the plan of rows whose lists the host can read: pure. `out` is aligned to 8.
/// REQUIRES: rows as ops::Sample wants them, tokens within [0, V), V <= kMaxSampleVocabulary, a
/// plan below 4 GiB.
ops::SamplePlan PlanSample(const ops::SampleRow* rows, int64_t R, int64_t V, std::byte* out);

}  // namespace baton::kernels::cuda
