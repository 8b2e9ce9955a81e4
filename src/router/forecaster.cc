#include "forecaster.h"

#include <algorithm>
#include <cmath>

namespace baton::router {
namespace {

/// Weight of the newest prefill in the mean.
constexpr int kNewest = 20;

}  // namespace

Forecaster::Forecaster(const std::string& worker, RouterMetrics& metrics, Clock& clock)
    : clock_(clock),
      prefill_error_(metrics.CostError(worker, "prefill")),
      decode_error_(metrics.CostError(worker, "decode")) {}

void Forecaster::Restart(const rpc::WorkerDescription& description) {
  steps_ = {};
  transfers_.clear();
  last_step_ = last_handoff_ = 0;
  for (const cost::StepSample& sample : description.calibration) steps_.Learn(sample);
}

void Forecaster::Learn(const rpc::WorkerStatus& status,
                       const std::function<bool(const std::string& peer)>& known) {
  for (const cost::StepSample& sample : status.steps) {
    if (sample.number <= last_step_ || sample.took <= Duration::zero()) continue;
    last_step_ = sample.number;
    const bool prefills = sample.shape.prefill_tokens > 0;
    if (prefills ? steps_.knows_prefill() : steps_.knows_decode()) {
      const double took = Seconds(sample.took);
      const double error = std::abs(Seconds(steps_.Predict(sample.shape)) - took) / took;
      (prefills ? prefill_error_ : decode_error_).Observe(error);
    }
    steps_.Learn(sample);
  }
  for (const rpc::HandoffSample& sample : status.handoffs) {
    if (sample.number <= last_handoff_) continue;
    last_handoff_ = sample.number;
    if (known(sample.peer)) transfers_[sample.peer].Learn(sample.bytes, sample.took);
  }
  const auto others = [](int64_t all, int64_t ours) { return std::max<int64_t>(0, all - ours); };
  ahead_of_others_ = {.prefill_tokens = others(status.load.prefill_tokens, ahead_.prefill_tokens)};
  decoding_for_others_ = {
      .decode_sequences = others(status.load.decode_sequences, decoding_.decode_sequences),
      .decode_context = others(status.load.decode_context, decoding_.decode_context)};
  promised_tokens_ = 0;
}

void Forecaster::BeginPrefill(const cost::StepShape& prefill, int64_t tokens) {
  if (prefills_++ == 0) since_ = clock_.Now();
  begun_.Count(clock_.Now());
  const Duration adds = steps_.Predict(prefill, 0);
  mean_prefill_ =
      mean_prefill_ == Duration{} ? adds : mean_prefill_ + (adds - mean_prefill_) / kNewest;
  ahead_ += prefill;
  promised_tokens_ += tokens;
}

void Forecaster::EndPrefill(const cost::StepShape& prefill) {
  --prefills_;
  since_ = clock_.Now();
  ahead_ -= prefill;
}

void Forecaster::BeginComing(int64_t context) {
  coming_ += {.decode_sequences = 1, .decode_context = context};
}

void Forecaster::EndComing(int64_t context) {
  coming_ -= {.decode_sequences = 1, .decode_context = context};
}

void Forecaster::BeginDecode(int64_t context) {
  decoding_ += {.decode_sequences = 1, .decode_context = context};
}

void Forecaster::EndDecode(int64_t context) {
  decoding_ -= {.decode_sequences = 1, .decode_context = context};
}

Forecast Forecaster::Of(const rpc::WorkerDescription& description,
                        const rpc::WorkerStatus& status) const {
  const rpc::WorkerLimits& limits = description.limits;
  const kv::KvGeometry& geometry = description.identity.geometry;
  Forecast forecast;
  forecast.steps = &steps_;
  forecast.ahead = ahead_;
  forecast.ahead += ahead_of_others_;
  if (prefills_ > 0) forecast.at_it = clock_.Now() - since_;
  forecast.decoding = decoding_;
  forecast.decoding += decoding_for_others_;
  forecast.coming = coming_;
  forecast.prefills_per_s = begun_.PerSecond(clock_.Now());
  forecast.mean_prefill = mean_prefill_;
  if (limits.step_tokens > 0) forecast.step_tokens = limits.step_tokens;
  if (limits.kv_blocks > 0) {
    forecast.free_tokens =
        int64_t{status.load.available_blocks} * geometry.block_tokens - promised_tokens_;
  }
  if (geometry.block_tokens > 0) {
    forecast.bytes_per_token = geometry.tp_size * geometry.block_bytes() / geometry.block_tokens;
  }
  forecast.transfers = &transfers_;
  return forecast;
}

}  // namespace baton::router
