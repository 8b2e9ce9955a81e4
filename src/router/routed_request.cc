#include "routed_request.h"

#include <utility>

#include "baton/base/logging.h"
#include "baton/base/units.h"

namespace baton::router {

void RoutedRequest::BeginAttempt(Events events) {
  events_ = std::move(events);
  handoff_.reset();
  ++attempts;
}

void RoutedRequest::OnRoute(std::string route) { sink_->OnRoute(std::move(route)); }

void RoutedRequest::OnToken(TokenOutput output) {
  last_token_at_ = clock_.Now();
  if (output.token != kNoToken) {
    metrics_.output_tokens.Increment();
    emitted_.push_back(output.token);
  }
  if (++tokens_ == 1) {
    first_token_at_ = last_token_at_;
    metrics_.ttft.Observe(first_token_at_ - arrived_);
    if (slo.ttft > Duration::zero())
      metrics_.CountSlo("ttft", first_token_at_ - arrived_ <= slo.ttft);
    metrics_.waiting.Add(-1);
    metrics_.running.Add(1);
    if (trace) trace->Stage("first token", first_token_at_);
    if (timings) {
      sink_->OnTimings(
          {.ttft = first_token_at_ - arrived_, .admission = queued, .handoff = handoff_});
    }
  }
  // The router's thread reads when it came.
  if (emitted_.size() <= 1 && events_.on_first_token) events_.on_first_token();
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

void RoutedRequest::OnCallEnd(const Status& status) {
  // Taken out, because they hold this request.
  const Events events = std::exchange(events_, {});
  if (!finished_) {
    events.on_failed(
        status.ok()
            ? Unavailable("it ended the stream before the last token").WithBlast(Blast::kWorker)
            : status);
    return;
  }
  events.on_finished();
  Finish(OkStatus());
}

int64_t RoutedRequest::TakeEmitted() {
  const auto count = static_cast<int64_t>(emitted_.size());
  request.prompt.insert(request.prompt.end(), emitted_.begin(), emitted_.end());
  request.emitted_tokens += static_cast<int32_t>(count);
  emitted_.clear();
  // They came with the first token.
  if (tokens_ > 0) request.sampling.prompt_logprobs = -1;
  return count;
}

void RoutedRequest::Refuse(const api::Refusal& refusal, const Status& status) {
  metrics_.CountRefusal(refusal.reason);
  sink_->OnRefused(refusal);
  Finish(status);
}

/// What no client is to blame for is seen without being looked for.
void RoutedRequest::LogEnd(const Status& end) const {
  if (end.ok()) {
    BATON_LOG(Debug) << subject() << ": finished after " << tokens_ << " tokens, "
                     << attempts << " attempts and " << FormatMs(last_token_at_ - arrived_)
                     << ", the first token after " << FormatMs(ttft());
    return;
  }
  const bool by_client =
      end.code() == StatusCode::kCancelled || end.code() == StatusCode::kInvalidArgument;
  // Of those that no worker was asked for there may be very many at once; metrics count them.
  const bool refused = attempts == 0 || end.code() == StatusCode::kResourceExhausted;
  if (by_client || refused) {
    BATON_LOG(Debug) << subject() << ": ended after " << tokens_
                     << " tokens: " << end.message();
  } else {
    BATON_LOG(Warning) << subject() << ": failed after " << tokens_
                       << " tokens: " << end.message();
  }
}

RequestTrace::Summary RoutedRequest::Summary(const Status& end) const {
  RequestTrace::Summary summary;
  summary.attributes = {{"baton.attempts", int64_t{attempts}}, {"baton.tokens", tokens_}};
  if (tokens_ > 0) {
    summary.attributes.push_back({"gen_ai.server.time_to_first_token", Seconds(ttft())});
    summary.attributes.push_back({"baton.worker", choice.worker});
    if (!choice.prefill.empty()) {
      summary.attributes.push_back({"baton.prefill_worker", choice.prefill});
    }
  }
  // A client that has what it wants, e.g. up to a stop string, cancels the rest.
  if (!end.ok() && end.code() != StatusCode::kCancelled) summary.error = StatusCodeName(end.code());
  return summary;
}

void RoutedRequest::Finish(Status end) {
  LogEnd(end);
  (tokens_ == 0 ? metrics_.waiting : metrics_.running).Add(-1);
  if (end.ok()) {
    metrics_.e2e.Observe(last_token_at_ - arrived_);
    if (tokens_ > 1) {
      metrics_.tpot.Observe(tpot());
      if (slo.tpot > Duration::zero()) metrics_.CountSlo("tpot", tpot() <= slo.tpot);
    }
  }
  metrics_.CountRequest(end.ok() ? "finished" : std::string(StatusCodeName(end.code())));
  if (trace) {
    // The end of the call, which comes later, is none of the client's business.
    const TimePoint ended = end.ok() ? last_token_at_ : clock_.Now();
    trace->Stage(tokens_ > 0 ? "tokens" : "no token", ended, {{"tokens", tokens_}});
    trace->Finish(ended, Summary(end));
  }
  sink_->OnEnd(std::move(end));
}

}  // namespace baton::router
