#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "baton/base/gate.h"
#include "baton/base/mailbox.h"
#include "baton/base/random.h"
#include "baton/otlp/exporter.h"
#include "encode.h"
#include "receiver.h"

namespace baton::otlp {

/// The exporter before any receiver. *Threads*: Take() is of any, the rest of its own.
class BatchSender final : public Exporter {
 public:
  /// How long to wait after the first failure; doubles with each.
  static constexpr Duration kFirstPause = std::chrono::seconds(1);
  /// So often is a batch sent at most: for about half a minute.
  static constexpr int kAttempts = 6;

  BatchSender(const ExporterOptions& options, std::unique_ptr<Receiver> receiver,
              telemetry::MetricRegistry& registry, const Clock& clock,
              Duration first_pause = kFirstPause);
  ~BatchSender() override;

  void Take(telemetry::ProcessSpans spans) override;

 private:
  using Batch = std::vector<telemetry::ProcessSpans>;

  void Run();
  /// What has come, once it is enough or has waited; empty when nothing will come any more.
  Batch Collect();
  void Send(const Batch& batch);
  /// Unix time's lead over the clock; follows it only where it jumps, so that the spans of a trace
  /// fit one another.
  Duration UnixAhead();
  void NoteAway(const Verdict& verdict);
  void NoteBack();
  void Lose(int64_t spans, telemetry::Counter& counter);

  const ExporterOptions options_;
  const Origin origin_;
  const std::unique_ptr<Receiver> receiver_;
  const Clock& clock_;
  const Duration first_pause_;
  telemetry::Counter& sent_;
  telemetry::Counter& failed_;
  telemetry::Counter& rejected_;
  telemetry::Counter& dropped_;
  /// Spans in the mailbox, whose capacity therefore never matters.
  std::atomic<size_t> waiting_{0};
  Mailbox<telemetry::ProcessSpans> mailbox_;
  Gate stop_;
  Gate flushed_;
  /// Set once `flush` has passed.
  std::atomic<bool> late_{false};

  // Its thread's.
  Random random_{RandomSeed()};
  Duration unix_ahead_;
  bool stopping_ = false;
  bool away_ = false;
  /// While the receiver was away.
  std::atomic<int64_t> lost_{0};
  std::thread thread_;
};

}  // namespace baton::otlp
