#include "sample/plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/random.h"
#include "baton/base/units.h"
#include "sample/weight.cuh"

namespace baton::kernels::cuda {
namespace {

bool Repeats(const ops::SampleRow& row) { return row.repetition_penalty != 1; }
bool Penalises(const ops::SampleRow& row) {
  return Repeats(row) || row.frequency_penalty != 0 || row.presence_penalty != 0;
}

int64_t MaskWords(int64_t V) { return CeilDiv(V, int64_t{32}); }

PlannedRow Base(const ops::SampleRow& row, int64_t V) {
  PlannedRow planned{.top_p = row.top_p,
                     .top_k = row.top_k,
                     .given = row.given,
                     .logprobs = row.logprobs,
                     .repetition_penalty = row.repetition_penalty,
                     .frequency_penalty = row.frequency_penalty,
                     .presence_penalty = row.presence_penalty};
  const float uniform = UniformAt(row.seed, static_cast<uint64_t>(row.position));
  planned.uniform = static_cast<uint32_t>(uniform * 0x1.0p24f);
  if (row.temperature > 0) planned.octaves_per_logit = kLog2E / double{row.temperature};
  const double least = std::ceil(double{row.min_p} * static_cast<double>(kWeightOne));
  planned.least_weight =
      static_cast<uint64_t>(std::clamp(least, 1.0, static_cast<double>(kWeightOne)));
  const bool limited = (row.top_k > 0 && row.top_k < V) || row.top_p < 1;
  planned.cuts = limited && row.temperature > 0 && row.given < 0 ? 1 : 0;
  return planned;
}

/// Writes a plan, front to back.
class Planner {
 public:
  Planner(int64_t R, int64_t V, std::byte* out)
      : V_(V), out_(out), used_(static_cast<size_t>(R) * sizeof(PlannedRow)) {}

  void Plan(const ops::SampleRow& row, int64_t r) {
    BATON_CHECK(row.temperature >= 0 && row.given < V_ && row.logprobs <= kMaxSampleTop)
        << "row " << r << ": temperature " << row.temperature << ", given " << row.given
        << ", log-probabilities " << row.logprobs;
    PlannedRow planned = Base(row, V_);
    if (row.given < 0) {
      Adjust(row, planned);
      Mask(row, planned);
    }
    stages_.adjusts |= planned.adjustments > 0;
    stages_.masks |= planned.mask_begin > 0;
    stages_.cuts |= planned.cuts != 0;
    stages_.logprobs |= planned.logprobs >= 0;
    std::memcpy(out_ + static_cast<size_t>(r) * sizeof planned, &planned, sizeof planned);
  }

  ops::SamplePlan result() const { return {.bytes = used_, .stages = stages_}; }

 private:
  void Adjust(const ops::SampleRow& row, PlannedRow& planned) {
    adjustments_.clear();
    for (int64_t i = 0; i < row.biased_tokens; ++i) {
      At(row.biases[i].token).bias += row.biases[i].bias;
    }
    for (int64_t i = 0; i < row.banned_tokens; ++i) At(row.banned[i]).flags |= Adjustment::kBanned;
    for (int64_t i = 0; Repeats(row) && i < row.prompt_tokens; ++i) {
      At(row.prompt[i]).flags |= Adjustment::kRepeated;
    }
    for (int64_t i = 0; Penalises(row) && i < row.output_tokens; ++i) {
      Adjustment& adjustment = At(row.output[i]);
      adjustment.flags |= Adjustment::kRepeated;
      ++adjustment.output_count;
    }
    for (const Adjustment& adjustment : adjustments_) {
      entry_[static_cast<size_t>(adjustment.token)] = 0;
    }
    planned.adjustments = static_cast<uint32_t>(adjustments_.size());
    planned.adjustments_begin = Append(adjustments_.data(), adjustments_.size());
  }

  /// The row's adjustment of a token.
  Adjustment& At(TokenId token) {
    BATON_CHECK(token >= 0 && token < V_) << "token " << token << " of " << V_;
    entry_.resize(static_cast<size_t>(V_));
    uint32_t& entry = entry_[static_cast<size_t>(token)];
    if (entry == 0) {
      adjustments_.push_back({.token = token});
      entry = static_cast<uint32_t>(adjustments_.size());
    }
    return adjustments_[entry - 1];
  }

  void Mask(const ops::SampleRow& row, PlannedRow& planned) {
    if (row.mask != nullptr) {
      planned.mask_begin = Append(row.mask, static_cast<size_t>(MaskWords(V_)));
    }
  }

  template <typename T>
  uint32_t Append(const T* values, size_t count) {
    const size_t begin = used_;
    if (count > 0) std::memcpy(out_ + begin, values, count * sizeof(T));
    used_ += count * sizeof(T);
    BATON_CHECK(used_ <= std::numeric_limits<uint32_t>::max()) << "a plan of " << used_ << " bytes";
    return static_cast<uint32_t>(begin);
  }

  const int64_t V_;
  std::byte* const out_;
  size_t used_;
  ops::SampleStages stages_{.adjusts = false, .masks = false, .cuts = false, .logprobs = false};
  std::vector<Adjustment> adjustments_;
  /// By token, one more than its place in adjustments_; all zero between rows.
  std::vector<uint32_t> entry_;
};

}  // namespace

size_t SamplePlanBytes(const ops::SampleRow* rows, int64_t R, int64_t V) {
  size_t bytes = static_cast<size_t>(R) * sizeof(PlannedRow);
  for (int64_t r = 0; r < R; ++r) {
    const ops::SampleRow& row = rows[r];
    if (row.given >= 0) continue;
    int64_t adjusted = row.biased_tokens + row.banned_tokens;
    if (Repeats(row)) adjusted += row.prompt_tokens;
    if (Penalises(row)) adjusted += row.output_tokens;
    bytes += static_cast<size_t>(std::min(adjusted, V)) * sizeof(Adjustment);
    if (row.mask != nullptr) bytes += static_cast<size_t>(MaskWords(V)) * sizeof(uint32_t);
  }
  return bytes;
}

ops::SamplePlan PlanSample(const ops::SampleRow* rows, int64_t R, int64_t V, std::byte* out) {
  BATON_CHECK(V > 0 && V <= kMaxSampleVocabulary) << "a vocabulary of " << V;
  Planner planner(R, V, out);
  for (int64_t r = 0; r < R; ++r) planner.Plan(rows[r], r);
  return planner.result();
}

}  // namespace baton::kernels::cuda
