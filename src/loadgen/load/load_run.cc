#include "baton/loadgen/load_run.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>

#include "../server/answer.h"
#include "baton/base/check.h"

namespace baton::loadgen {
namespace {

/// How long a wait is at most, so that stops are seen and watchers told.
constexpr Duration kLongestWait = std::chrono::milliseconds(50);

class LoadRun;

/// A request under way.
class Running final : public CallHandler {
 public:
  Running(LoadRun& run, Record record) : run_(run), record_(std::move(record)), answer_(record_) {}

  void OnBytes(int http_status, std::string_view bytes) override;
  void OnEnd(const CallEnd& end) override;

  Record& record() { return record_; }

 private:
  LoadRun& run_;
  Record record_;
  Answer answer_;
};

class LoadRun {
 public:
  LoadRun(const LoadParts& parts, const LoadOptions& options)
      : parts_(parts),
        options_(options),
        open_(std::get_if<OpenLoop>(&options.loop)),
        closed_(std::get_if<ClosedLoop>(&options.loop)),
        cpu_at_start_(parts.client.CpuTime()) {}

  LoadResult Run() {
    Prepare();
    start_ = parts_.clock.Now();
    while (next_ || !running_.empty()) {
      if (parts_.stop.stop_requested()) {
        CancelAll();
        break;
      }
      SendDue();
      parts_.client.Wait(TimeToNext());
      if (parts_.watch) parts_.watch(Progress());
    }
    result_.elapsed = Now();
    result_.cpu = parts_.client.CpuTime() - cpu_at_start_;
    std::sort(result_.records.begin(), result_.records.end(),
              [](const Record& a, const Record& b) { return a.index < b.index; });
    return std::move(result_);
  }

  Duration Now() const { return parts_.clock.Now() - start_; }
  void CountPieces(size_t count) { pieces_ += static_cast<int64_t>(count); }

  void End(Running& running) {
    failed_ += running.record().outcome == Outcome::kFailed ? 1 : 0;
    result_.records.push_back(std::move(running.record()));
    running_.erase(&running);
    if (closed_ != nullptr) freed_.push_back(Now());
  }

 private:
  /// A request that is written but not sent, so that writing delays none.
  struct Next {
    Record record;
    std::string body;
  };

  /// Writes the next request; none when all were.
  void Prepare() {
    next_.reset();
    const int64_t index = sent_;
    if (open_ != nullptr && index >= static_cast<int64_t>(open_->due.size())) return;
    if (closed_ != nullptr && index >= closed_->extent.requests) return;
    const Prompt prompt = parts_.prompts.Make({options_.round, index});
    next_ = Next{.record = {.index = index,
                            .planned_prompt_tokens = prompt.prompt_tokens,
                            .asked_output_tokens = prompt.output_tokens},
                 .body = CompletionBody(options_.format, prompt)};
    if (open_ != nullptr) next_->record.due = open_->due[static_cast<size_t>(index)];
  }

  /// When the next request is due; nothing while none is.
  std::optional<Duration> NextDue() {
    if (!next_) return std::nullopt;
    if (open_ != nullptr) return next_->record.due;
    if (Now() >= closed_->extent.duration) {
      next_.reset();
      return std::nullopt;
    }
    if (static_cast<int64_t>(running_.size()) >= closed_->concurrency) return std::nullopt;
    // The first ones are due at the start.
    return freed_.empty() ? Duration::zero() : freed_.front();
  }

  void SendDue() {
    for (std::optional<Duration> due; (due = NextDue()) && *due <= Now();) {
      if (!freed_.empty()) freed_.pop_front();
      Record record = std::move(next_->record);
      record.due = *due;
      record.sent = Now();
      auto owned = std::make_unique<Running>(*this, std::move(record));
      Running& running = *owned;
      running_.emplace(&running, std::move(owned));
      parts_.client.Start({.path = CompletionPath(options_.format),
                           .body = std::move(next_->body),
                           .timeout = options_.timeout},
                          running);
      ++sent_;
      Prepare();
    }
  }

  Duration TimeToNext() {
    const std::optional<Duration> due = NextDue();
    if (!due) return running_.empty() ? Duration::zero() : kLongestWait;
    return std::clamp(*due - Now(), Duration::zero(), kLongestWait);
  }

  void CancelAll() {
    result_.stopped = true;
    while (!running_.empty()) {
      Running& running = *running_.begin()->second;
      parts_.client.Cancel(running);
      running.record().outcome = Outcome::kCancelled;
      running.record().end = Now();
      End(running);
    }
  }

  LoadProgress Progress() const {
    LoadProgress progress{.elapsed = Now(),
                          .sent = sent_,
                          .ended = static_cast<int64_t>(result_.records.size()),
                          .failed = failed_,
                          .running = static_cast<int64_t>(running_.size()),
                          .pieces = pieces_};
    if (open_ != nullptr) {
      progress.requests = static_cast<int64_t>(open_->due.size());
    } else if (closed_->extent.requests < Extent{}.requests) {
      progress.requests = closed_->extent.requests;
    } else {
      progress.duration = closed_->extent.duration;
    }
    return progress;
  }

  const LoadParts& parts_;
  const LoadOptions& options_;
  const OpenLoop* const open_;
  const ClosedLoop* const closed_;
  const Duration cpu_at_start_;
  TimePoint start_;
  std::optional<Next> next_;
  std::unordered_map<const Running*, std::unique_ptr<Running>> running_;
  /// When requests of a closed loop ended in whose place none was sent yet.
  std::deque<Duration> freed_;
  int64_t sent_ = 0;
  int64_t failed_ = 0;
  int64_t pieces_ = 0;
  LoadResult result_;
};

void Running::OnBytes(int http_status, std::string_view bytes) {
  const size_t before = record_.pieces.size();
  answer_.OnBytes(http_status, bytes, run_.Now());
  run_.CountPieces(record_.pieces.size() - before);
}

void Running::OnEnd(const CallEnd& end) {
  answer_.OnEnd(end, run_.Now());
  // Ends this object.
  run_.End(*this);
}

}  // namespace

LoadResult RunLoad(const LoadParts& parts, const LoadOptions& options) {
  if (const auto* closed = std::get_if<ClosedLoop>(&options.loop)) {
    BATON_CHECK(closed->concurrency > 0);
  }
  return LoadRun(parts, options).Run();
}

}  // namespace baton::loadgen
