#include "batch_sender.h"

#include <algorithm>
#include <utility>

#include <pthread.h>

#include "baton/base/logging.h"
#include "baton/outbound/retry_pause.h"
#include "http_receiver.h"

namespace baton::otlp {
namespace {

constexpr char kMetric[] = "baton_otlp_spans_total";
constexpr char kHelp[] = "Spans for the receiver of OTLP, by what became of them";
/// Between two looks whether anything came.
constexpr Duration kIdle = std::chrono::hours(1);
/// Less than that Unix time and the clock may drift apart.
constexpr Duration kJump = std::chrono::milliseconds(1);

Origin OriginOf(const ExporterOptions& options) {
  Origin origin{.service_name = options.settings.service_name,
                .version = options.version,
                .router = options.settings.resource};
  const bool named = std::any_of(origin.router.begin(), origin.router.end(), [](const auto& pair) {
    return pair.first == "service.instance.id";
  });
  if (!named) origin.router.emplace_back("service.instance.id", options.instance);
  return origin;
}

int64_t CountOf(const std::vector<telemetry::ProcessSpans>& batch) {
  size_t count = 0;
  for (const telemetry::ProcessSpans& process : batch) count += process.spans.size();
  return static_cast<int64_t>(count);
}

}  // namespace

Result<std::unique_ptr<Exporter>> Exporter::Start(const ExporterOptions& options,
                                                  telemetry::MetricRegistry& registry,
                                                  const Clock& clock) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<Receiver> receiver, HttpReceiver(options.settings));
  BATON_LOG(Info) << "spans of requests go to " << receiver->name();
  return std::unique_ptr<Exporter>(
      std::make_unique<BatchSender>(options, std::move(receiver), registry, clock));
}

BatchSender::BatchSender(const ExporterOptions& options, std::unique_ptr<Receiver> receiver,
                         telemetry::MetricRegistry& registry, const Clock& clock,
                         Duration first_pause)
    : options_(options),
      origin_(OriginOf(options)),
      receiver_(std::move(receiver)),
      clock_(clock),
      first_pause_(first_pause),
      sent_(registry.AddCounter(kMetric, kHelp, {{"outcome", "sent"}})),
      failed_(registry.AddCounter(kMetric, kHelp, {{"outcome", "failed"}})),
      rejected_(registry.AddCounter(kMetric, kHelp, {{"outcome", "rejected"}})),
      dropped_(registry.AddCounter(kMetric, kHelp, {{"outcome", "dropped"}})),
      mailbox_(options.settings.queue_spans),
      unix_ahead_(options.unix_ahead()),
      thread_([this] {
        pthread_setname_np(pthread_self(), "otlp");
        Run();
        flushed_.Open();
      }) {}

BatchSender::~BatchSender() {
  mailbox_.Close();
  stop_.Open();
  if (!flushed_.Wait(options_.flush)) {
    late_ = true;
    receiver_->Stop();
  }
  thread_.join();
}

void BatchSender::Take(telemetry::ProcessSpans spans) {
  const size_t count = spans.spans.size();
  if (count == 0) return;
  const bool fits = waiting_.fetch_add(count) + count <= options_.settings.queue_spans;
  if (fits && mailbox_.TrySend(std::move(spans))) return;
  waiting_ -= count;
  Lose(static_cast<int64_t>(count), dropped_);
}

void BatchSender::Run() {
  while (true) {
    const Batch batch = Collect();
    if (batch.empty() && stopping_) return;
    if (!batch.empty()) Send(batch);
  }
}

BatchSender::Batch BatchSender::Collect() {
  Batch batch;
  size_t spans = 0;
  TimePoint end = TimePoint::max();
  while (spans < options_.settings.batch_spans) {
    const Duration patience = batch.empty() ? kIdle : end - clock_.Now();
    auto some = mailbox_.Receive(patience);
    stopping_ = stop_.Wait(Duration::zero());
    if (!some) return batch;
    if (batch.empty()) end = clock_.Now() + options_.settings.interval;
    waiting_ -= some->spans.size();
    spans += some->spans.size();
    batch.push_back(*std::move(some));
  }
  return batch;
}

void BatchSender::Send(const Batch& batch) {
  const int64_t spans = CountOf(batch);
  const std::string body = EncodeSpans(batch, origin_, UnixAhead());
  for (int failures = 1; !late_; ++failures) {
    const Verdict verdict = Judge(receiver_->Post(body));
    if (verdict.kind == Verdict::Kind::kTaken) {
      NoteBack();
      const int64_t rejected = std::min(spans, verdict.rejected);
      sent_.Add(static_cast<double>(spans - rejected));
      rejected_.Add(static_cast<double>(rejected));
      if (!verdict.message.empty()) {
        BATON_LOG(Warning) << receiver_->name() << " rejected " << rejected << " of " << spans
                           << " spans: " << verdict.message;
      }
      return;
    }
    NoteAway(verdict);
    if (verdict.kind == Verdict::Kind::kRefused || failures == kAttempts) break;
    const Duration pause = outbound::RetryPause(failures, first_pause_, random_.Uniform());
    // When it ends it tries what is left once.
    if (stop_.Wait(std::max(pause, verdict.pause))) break;
  }
  Lose(spans, failed_);
}

void BatchSender::Lose(int64_t spans, telemetry::Counter& counter) {
  counter.Add(static_cast<double>(spans));
  lost_ += spans;
}

Duration BatchSender::UnixAhead() {
  const Duration now = options_.unix_ahead();
  if (std::chrono::abs(now - unix_ahead_) > kJump) unix_ahead_ = now;
  return unix_ahead_;
}

void BatchSender::NoteAway(const Verdict& verdict) {
  if (std::exchange(away_, true)) return;
  BATON_LOG(Warning) << "spans cannot be sent to " << receiver_->name() << ": " << verdict.message
                     << (verdict.kind == Verdict::Kind::kRefused
                             ? "; those are dropped, and further ones tried"
                             : "; it is tried on, and what telemetry.otlp.queue_spans does not "
                               "hold is dropped");
}

void BatchSender::NoteBack() {
  const int64_t lost = lost_.exchange(0);
  if (!std::exchange(away_, false)) return;
  BATON_LOG(Info) << "spans are sent to " << receiver_->name() << " again; " << lost
                  << " were lost";
}

}  // namespace baton::otlp
