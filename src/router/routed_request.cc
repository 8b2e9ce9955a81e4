#include "routed_request.h"

#include <utility>

namespace baton::router {

void RoutedRequest::OnToken(TokenOutput output) {
  last_token_at_ = clock_.Now();
  if (output.token != kNoToken) metrics_.output_tokens.Increment();
  if (++tokens_ == 1) {
    first_token_at_ = last_token_at_;
    metrics_.ttft.Observe(first_token_at_ - arrived_);
    if (slo.ttft > Duration::zero())
      metrics_.CountSlo("ttft", first_token_at_ - arrived_ <= slo.ttft);
    metrics_.waiting.Add(-1);
    metrics_.running.Add(1);
    if (events_.on_first_token) events_.on_first_token();
    if (trace) trace->Stage("first token", first_token_at_);
    if (timings)
      sink_->OnTimings(
          {.ttft = first_token_at_ - arrived_, .admission = queued, .handoff = handoff_});
  }
  finished_ |= output.finish != FinishReason::kNone;
  sink_->OnToken(std::move(output));
}

void RoutedRequest::OnReport(rpc::GenerateReport report) {
  if (report.timings) {
    const handoff::Stages& stages = report.timings->stages;
    handoff_ = {.reserve = report.timings->reserve,
                .queued = stages.queued,
                .prefill = stages.prefill,
                .transfer = stages.transfer,
                .commit = stages.commit};
  }
  if (trace) trace->OnReport(std::move(report.traces), clock_.Now());
}

void RoutedRequest::OnEnd(const Status& status) {
  // Taken out, because they hold this request.
  const Events events = std::exchange(events_, {});
  (tokens_ == 0 ? metrics_.waiting : metrics_.running).Add(-1);
  Status end = status;
  if (status.ok() && !finished_) {
    end = Unavailable("worker " + choice.worker + " ended the stream before its last token");
  } else if (finished_) {
    end = OkStatus();
    metrics_.e2e.Observe(last_token_at_ - arrived_);
    if (tokens_ > 1) {
      metrics_.tpot.Observe(tpot());
      if (slo.tpot > Duration::zero()) metrics_.CountSlo("tpot", tpot() <= slo.tpot);
    }
  } else if (!choice.worker.empty()) {
    const Status lost = lost_.Read();
    end = (lost.ok() ? status : lost).WithContext("worker " + choice.worker);
  }
  metrics_.CountRequest(end.ok() ? "finished" : std::string(StatusCodeName(end.code())));
  if (trace) {
    const TimePoint now = clock_.Now();
    trace->Stage(tokens_ > 0 ? "tokens" : "no token", now, {{"tokens", tokens_}});
    trace->Finish(now);
  }
  if (events.on_end) events.on_end();
  sink_->OnEnd(std::move(end));
}

void RoutedRequest::Refuse(const api::Refusal& refusal, const Status& status) {
  metrics_.CountRefusal(refusal.reason);
  sink_->OnRefused(refusal);
  OnEnd(status);
}

void RoutedRequest::Lose(const Status& status) {
  lost_.Post(status);
  call->Cancel();
}

}  // namespace baton::router
