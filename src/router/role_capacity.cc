#include "role_capacity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "baton/base/clock.h"

namespace baton::router {
namespace {

/// The part of requests that is to keep its SLO.
constexpr double kGoal = 0.9;
/// Nobody is busier for long.
constexpr double kBusiest = 0.95;
/// Halvings in the search for a rate: within a per mille.
constexpr int kHalvings = 12;

/// That a normal variable is below what is so many of its deviations above its mean.
double Below(double room, double deviation) {
  if (std::isinf(room)) return 1;
  if (deviation <= 0) return room >= 0 ? 1 : 0;
  return std::erfc(-room / (deviation * std::sqrt(2.0))) / 2;
}

double WishOf(Duration wish, double at_best_s) {
  const double seconds = Seconds(wish);
  return seconds > at_best_s ? seconds : std::numeric_limits<double>::infinity();
}

}  // namespace

RoleCapacity::RoleCapacity(const std::vector<RequestSample>& requests,
                           const std::vector<WorkerSpeed>& workers) {
  const double worker_part = 1.0 / static_cast<double>(workers.size());
  const double part = 1.0 / static_cast<double>(requests.size());
  double step_tokens = 0;
  for (const WorkerSpeed& worker : workers) {
    step_s_ += worker_part * Seconds(worker.steps->Predict({}));
    running_sequences_ += worker_part * static_cast<double>(worker.running_sequences);
    kv_tokens_ += worker_part * static_cast<double>(worker.kv_tokens);
    transfer_s_ += worker_part * Seconds(worker.transfer);
    step_tokens += worker_part * static_cast<double>(worker.step_tokens);
  }
  for (const RequestSample& request : requests) {
    const cost::StepShape decode{
        .decode_sequences = 1,
        .decode_context = request.prompt_tokens + request.output_tokens / 2};
    Work work{.tokens = static_cast<double>(std::max<int64_t>(1, request.output_tokens))};
    for (const WorkerSpeed& worker : workers) {
      work.prefill_s += worker_part * Seconds(worker.steps->Predict(request.prefill, 0));
      work.decode_s += worker_part * Seconds(worker.steps->Predict(decode, 0));
    }
    work.steps = static_cast<double>(request.prefill.prefill_tokens) / step_tokens;
    work.whole_steps = std::ceil(work.steps);
    work.kv_tokens = static_cast<double>(request.prompt_tokens) + work.tokens;
    work.ttft_s =
        WishOf(request.slo.ttft, work.prefill_s + work.whole_steps * step_s_ + transfer_s_);
    work.tpot_s = WishOf(request.slo.tpot, step_s_ + work.decode_s);
    prefill_s_ += part * work.prefill_s;
    prefill_s2_ += part * work.prefill_s * work.prefill_s;
    decode_s_ += part * work.tokens * work.decode_s;
    decode_s2_ += part * work.tokens * work.decode_s * work.decode_s;
    tokens_ += part * work.tokens;
    token_kv_ += part * work.tokens * work.kv_tokens;
    work_.push_back(work);
  }
}

struct RoleCapacity::Wait {
  double utilisation = 0;
  double decay_per_s = 0;

  double Within(double time_s) const {
    if (std::isinf(time_s)) return 1;
    return time_s < 0 ? 0 : 1 - utilisation * std::exp(-decay_per_s * time_s);
  }
};

/// Several workers empty one queue so many times as fast, but what is computed takes as long.
RoleCapacity::Wait RoleCapacity::WaitFor(double rate, int workers, double step_s) const {
  const double part = 1.0 / static_cast<double>(work_.size());
  double mean = 0;
  double square = 0;
  for (const Work& work : work_) {
    const double service = work.prefill_s + work.steps * step_s;
    mean += part * service;
    square += part * service * service;
  }
  if (square <= 0) return {};
  const double utilisation = rate * mean;
  return {.utilisation = utilisation,
          .decay_per_s = workers * 2 * (1 - utilisation) * mean / square};
}

double RoleCapacity::PrefillAttainment(double rate, int workers) const {
  const Wait wait = WaitFor(rate, workers, step_s_);
  if (wait.utilisation >= kBusiest) return 0;
  double kept = 0;
  for (const Work& work : work_) {
    kept += wait.Within(work.ttft_s - work.prefill_s - work.whole_steps * step_s_ - transfer_s_);
  }
  return kept / static_cast<double>(work_.size());
}

double RoleCapacity::GenerateAttainment(double rate, int workers, double local_part) const {
  const double busy = rate * (local_part * prefill_s_ + decode_s_);
  if (busy >= kBusiest) return 0;
  const double tpot = step_s_ / (1 - busy);
  const double running = rate * tokens_ * tpot;
  if (running > running_sequences_ || rate * token_kv_ * tpot > kv_tokens_) return 0;
  // Of a step without prompts in it.
  const double plain_step = step_s_ + rate * decode_s_ * tpot;
  const Wait wait = WaitFor(local_part * rate, workers, plain_step);
  if (wait.utilisation >= kBusiest) return 0;
  const double of_others = rate * tpot * decode_s2_;
  const double of_prompts = local_part * rate * tpot * prefill_s2_;
  double kept = 0;
  for (const Work& work : work_) {
    const double deviation = std::sqrt(of_others + of_prompts / work.tokens);
    const double local =
        wait.Within(work.ttft_s - work.prefill_s - (work.whole_steps + 0.5) * plain_step);
    kept += Below(work.tpot_s - tpot, deviation) * (1 - local_part + local_part * local);
  }
  return kept / static_cast<double>(work_.size());
}

/// The highest rate that attains the goal. REQUIRES: attainment falls with the rate.
template <typename Attainment>
double RoleCapacity::Highest(double least_work_s, Attainment attainment) const {
  double low = 0;
  double high = 1 / std::max(least_work_s, 1e-9);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (attainment(middle) >= kGoal ? low : high) = middle;
  }
  return low;
}

double RoleCapacity::Prefill(int workers) const {
  return Highest(prefill_s_, [&](double rate) { return PrefillAttainment(rate, workers); });
}

double RoleCapacity::Generate(int workers, double local_part) const {
  return Highest(local_part * prefill_s_ + decode_s_, [&](double rate) {
    return GenerateAttainment(rate, workers, local_part);
  });
}

}  // namespace baton::router
