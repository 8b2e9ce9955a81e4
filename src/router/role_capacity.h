#pragma once

#include <cstdint>
#include <vector>

#include "baton/cost/step_model.h"
#include "baton/request/request.h"

namespace baton::router {

/// The work that one request made, and within what it was to be done.
struct RequestSample {
  /// What of its prompt was computed.
  cost::StepShape prefill;
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 1;
  /// Zero: no wish.
  RequestSlo slo;
};

/// A worker by what was learnt of it, whatever its role.
struct WorkerSpeed {
  const cost::StepModel* steps = nullptr;
  // As good as without a limit where none is known.
  int64_t step_tokens = int64_t{1} << 40;
  int64_t running_sequences = int64_t{1} << 40;
  int64_t kv_tokens = int64_t{1} << 40;
  /// Of a hand-over, beyond its prefill.
  Duration transfer{};
};

/// How many requests a second workers of a role can serve so that nine in ten keep their SLOs, where
/// all requests are like some that were. Workers
/// count as equally fast, by the mean of what was learnt. A wish that not even an idle worker could
/// keep counts as none.
///
/// Of a worker that decodes, u is the part of the time that goes beyond the constant of each step:
///
///   u = rate x (local part x prefill + output tokens x time per sequence),
///   TPOT = constant / (1 - u) in the mean,
///
/// and what prompts come beside a sequence is taken for normally distributed. Who waits to be
/// prefilled does so for longer than t with the chance utilisation x exp(-t x ...), as a heavily
/// loaded queue has it.
/// *Threads*: immutable.
class RoleCapacity {
 public:
  /// REQUIRES: some of either; all speeds know prefill and decode.
  RoleCapacity(const std::vector<RequestSample>& requests, const std::vector<WorkerSpeed>& workers);

  /// Of each of `workers` that share a queue and only prefill.
  double Prefill(int workers) const;
  /// Of each of `workers` that generate and prefill this part of their requests themselves.
  double Generate(int workers, double local_part) const;

 private:
  struct Work {
    /// Seconds of prefill beyond the steps' constants, and the steps that it takes.
    double prefill_s = 0;
    double steps = 0;
    double whole_steps = 0;
    /// What it adds to each step while it decodes, and in how many.
    double decode_s = 0;
    double tokens = 1;
    double kv_tokens = 0;
    /// Infinite without a wish.
    double ttft_s = 0;
    double tpot_s = 0;
  };
  /// A queue at one rate.
  struct Wait;

  double PrefillAttainment(double rate, int workers) const;
  double GenerateAttainment(double rate, int workers, double local_part) const;
  Wait WaitFor(double rate, int workers, double step_s) const;
  template <typename Attainment>
  double Highest(double least_work_s, Attainment attainment) const;

  std::vector<Work> work_;
  // Means over the workers.
  double step_s_ = 0;
  double running_sequences_ = 0;
  double kv_tokens_ = 0;
  double transfer_s_ = 0;
  // Means over the requests.
  double prefill_s_ = 0;
  double prefill_s2_ = 0;
  double decode_s_ = 0;
  double decode_s2_ = 0;
  double tokens_ = 0;
  double token_kv_ = 0;
};

}  // namespace baton::router
