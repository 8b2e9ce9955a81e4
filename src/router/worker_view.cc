#include "worker_view.h"

#include <algorithm>

#include "baton/base/units.h"

namespace baton::router {
namespace {

/// Of a hand-off before any was seen: some messages between threads and processes.
constexpr Duration kUnknownTransfer = std::chrono::milliseconds(2);

/// The steps in which so many prompt tokens go, beside the decodes.
int64_t Steps(const Forecast& worker, int64_t tokens) {
  const int64_t budget =
      std::max<int64_t>(1, worker.step_tokens - worker.decoding.decode_sequences);
  return CeilDiv(tokens, budget);
}

Duration TimeOf(const Forecast& worker, cost::StepShape prefill) {
  if (prefill.prefill_tokens <= 0) return {};
  const int64_t steps = Steps(worker, prefill.prefill_tokens);
  prefill.decode_sequences = steps * worker.decoding.decode_sequences;
  prefill.decode_context = steps * worker.decoding.decode_context;
  return worker.steps->Predict(prefill, steps);
}

}  // namespace

Duration QueueTime(const Forecast& worker) {
  // What takes longer than foretold is not over for that.
  const Duration ahead = TimeOf(worker, worker.ahead);
  return std::max(ahead - worker.at_it, ahead / 8);
}

Duration PrefillTime(const Forecast& worker, int64_t cached_tokens, int64_t prompt_tokens) {
  return TimeOf(worker, cost::PrefillShape(cached_tokens, prompt_tokens));
}

Outlook OutlookOf(const std::vector<WorkerView>& workers, int64_t prompt_tokens) {
  Outlook least{.ttft = Duration::max(), .prefill = Duration::max()};
  for (const WorkerView& worker : workers) {
    const cost::StepModel* steps = worker.forecast.steps;
    if (steps == nullptr || !steps->knows_prefill()) return {};
    const Duration prefill = PrefillTime(worker.forecast, worker.cached_tokens, prompt_tokens);
    least.prefill = std::min(least.prefill, prefill);
    least.ttft = std::min(least.ttft, QueueTime(worker.forecast) + prefill);
  }
  return workers.empty() ? Outlook{} : least;
}

Duration PrefillDelay(const Forecast& worker, int64_t cached_tokens, int64_t prompt_tokens) {
  return worker.steps->Predict(cost::PrefillShape(cached_tokens, prompt_tokens), 0);
}

Beside BesideAfter(Duration passed, Duration lasts) {
  if (passed <= Duration::zero() || lasts <= Duration::zero()) return {};
  const double times = Seconds(passed) / Seconds(lasts);
  return {.decoding = std::max(0.0, 1 - times), .coming = std::min(1.0, 1 / times)};
}

Duration DecodeTime(const Forecast& worker, int64_t context, Beside beside) {
  const cost::StepShape self{.decode_sequences = 1, .decode_context = context};
  const double alone = Seconds(worker.steps->Predict(self));
  const auto added = [&](cost::StepShape others) {
    others += self;
    return Seconds(worker.steps->Predict(others)) - alone;
  };
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      alone + beside.decoding * added(worker.decoding) + beside.coming * added(worker.coming)));
}

Duration RoomTime(const Forecast& worker, int64_t output_tokens) {
  // They end one after the other, each after as many steps as it draws tokens.
  const int64_t running = std::max<int64_t>(1, worker.decoding.decode_sequences);
  return output_tokens * worker.steps->Predict(worker.decoding) / running;
}

Duration TransferTime(const Forecast& decode, const std::string& peer, int64_t tokens) {
  if (decode.transfers == nullptr) return kUnknownTransfer;
  const auto known = decode.transfers->find(peer);
  if (known == decode.transfers->end()) return kUnknownTransfer;
  return known->second.Predict(tokens * decode.bytes_per_token);
}

}  // namespace baton::router
