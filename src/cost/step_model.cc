#include "baton/cost/step_model.h"

#include <algorithm>
#include <array>

namespace baton::cost {
namespace {

std::array<double, 5> Terms(const StepShape& shape, int64_t steps) {
  return {static_cast<double>(steps), static_cast<double>(shape.prefill_tokens),
          static_cast<double>(shape.prefill_attended), static_cast<double>(shape.decode_sequences),
          static_cast<double>(shape.decode_context)};
}

Duration FromSeconds(double seconds) {
  // Beyond any deadline; what is larger would not fit.
  constexpr double kMost = 1e6;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, kMost)));
}

}  // namespace

StepShape& StepShape::operator+=(const StepShape& other) {
  prefill_tokens += other.prefill_tokens;
  prefill_attended += other.prefill_attended;
  decode_sequences += other.decode_sequences;
  decode_context += other.decode_context;
  return *this;
}

StepShape& StepShape::operator-=(const StepShape& other) {
  prefill_tokens -= other.prefill_tokens;
  prefill_attended -= other.prefill_attended;
  decode_sequences -= other.decode_sequences;
  decode_context -= other.decode_context;
  return *this;
}

StepShape PrefillShape(int64_t begin, int64_t end) {
  // Position p attends to p + 1 tokens.
  return {.prefill_tokens = end - begin,
          .prefill_attended = (end * (end + 1) - begin * (begin + 1)) / 2};
}

void StepModel::Learn(const StepSample& sample) {
  const size_t group = sample.shape.prefill_tokens > 0 ? kPrefills : kDecodes;
  fit_.Learn(Terms(sample.shape, 1), Seconds(sample.took), group);
}

Duration StepModel::Predict(const StepShape& shape, int64_t steps) const {
  return FromSeconds(fit_.Predict(Terms(shape, steps)));
}

void TransferModel::Learn(int64_t bytes, Duration took) {
  fit_.Learn(std::array{1.0, static_cast<double>(bytes)}, Seconds(took));
}

Duration TransferModel::Predict(int64_t bytes) const {
  return FromSeconds(fit_.Predict(std::array{1.0, static_cast<double>(bytes)}));
}

}  // namespace baton::cost
