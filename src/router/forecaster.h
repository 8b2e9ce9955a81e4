#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "arrival_rate.h"
#include "baton/base/clock.h"
#include "baton/cost/step_model.h"
#include "baton/rpc/messages.h"
#include "metrics.h"
#include "worker_view.h"

namespace baton::router {

/// What is known of one worker's speed and load: from its own word, and from what requests of ours
/// do there. *Threads*: lives on the router's thread.
class Forecaster {
 public:
  /// `clock` outlives this; the metrics are those of the worker of that name.
  Forecaster(const std::string& worker, RouterMetrics& metrics, Clock& clock);

  /// Another process has come under the worker's name: what was learnt of its speed is void.
  void Restart(const rpc::WorkerDescription& description);
  /// Of hand-offs, those of peers that are `known`, so that there are no more of them.
  void Learn(const rpc::WorkerStatus& status,
             const std::function<bool(const std::string& peer)>& known);

  // What requests of ours do.
  /// KV of so many tokens will be held there.
  void Promise(int64_t tokens) { promised_tokens_ += tokens; }
  /// `prefill` is to be computed there; KV of `tokens` will be held.
  void BeginPrefill(const cost::StepShape& prefill, int64_t tokens);
  void EndPrefill(const cost::StepShape& prefill);
  /// A sequence of so many tokens will be decoded there once its prompt is computed, or will not.
  void BeginComing(int64_t context);
  void EndComing(int64_t context);
  /// A sequence that holds so many tokens draws one in each step from now on, or no more.
  void BeginDecode(int64_t context);
  void EndDecode(int64_t context);

  /// Prompts of ours whose first token has not come.
  int32_t prefills() const { return prefills_; }
  /// Sequences that it decodes for others.
  int64_t others_decoding() const { return decoding_for_others_.decode_sequences; }
  /// Valid until the next change.
  Forecast Of(const rpc::WorkerDescription& description, const rpc::WorkerStatus& status) const;

 private:
  Clock& clock_;
  telemetry::Histogram& prefill_error_;
  telemetry::Histogram& decode_error_;

  cost::StepModel steps_;
  uint64_t last_step_ = 0;
  std::map<std::string, cost::TransferModel> transfers_;
  uint64_t last_handoff_ = 0;

  cost::StepShape ahead_;
  int32_t prefills_ = 0;
  /// Since when it has been at the first of them.
  TimePoint since_{};
  ArrivalRate begun_;
  Duration mean_prefill_{};
  cost::StepShape coming_;
  cost::StepShape decoding_;
  /// Of KV, for those that went there since it sent its status.
  int64_t promised_tokens_ = 0;
  /// What it does for others, as its status says.
  cost::StepShape ahead_of_others_;
  cost::StepShape decoding_for_others_;
};

}  // namespace baton::router
