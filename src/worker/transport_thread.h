#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "baton/base/clock.h"
#include "baton/base/mailbox.h"
#include "baton/transport/transport.h"

namespace baton::worker {

/// The thread that owns the transport and both sides of the hand-off. Others post work to it.
/// A simulation calls TakeTurn() in place of Start().
class TransportThread {
 public:
  /// Called in each turn, with the time; returns when it wants the next one.
  using Turn = std::function<TimePoint(TimePoint now)>;

  /// `transport` and `clock` outlive this.
  TransportThread(transport::Transport& transport, Clock& clock);
  ~TransportThread() { Stop(); }

  void Start(Turn turn);
  /// Does at most `most_work` posted pieces of work and what the transport has to do, then calls
  /// `turn`. Returns when the next one is wanted: the past when there was something to do.
  TimePoint TakeTurn(const Turn& turn, int most_work);
  /// Runs what was posted before, then ends. Idempotent.
  void Stop();

  /// Thread-safe. The mailbox holds more than the bounded tables behind it can ever post, so that a
  /// full one means a stalled thread: the worker ends rather than lose an event.
  void Post(std::function<void()> work);
  /// Grows with every turn.
  uint64_t turns() const { return turns_; }
  /// Posted work that is not done yet.
  size_t pending() const { return mailbox_.size(); }

 private:
  void Run(const std::stop_token& stop, const Turn& turn);

  transport::Transport& transport_;
  Clock& clock_;
  Mailbox<std::function<void()>> mailbox_;
  std::atomic<uint64_t> turns_{0};
  std::jthread thread_;
};

}  // namespace baton::worker
