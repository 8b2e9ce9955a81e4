#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "baton/api/strand_link.h"
#include "baton/base/mailbox.h"

namespace baton::grpc {

/// One thread that works for many calls, each of which stays with it. *Threads*: thread-safe.
/// What waits is bounded by the tokens that the running requests may generate.
class CallThread final : public api::StrandLink {
 public:
  void Post(std::function<void()> work) override { (void)work_.TrySend(std::move(work)); }
  /// Works until Close(), and off what was posted before.
  void Run();
  /// Drops what is posted from now on.
  void Close() {
    closed_ = true;
    work_.Close();
  }

 private:
  Mailbox<std::function<void()>> work_{std::numeric_limits<size_t>::max()};
  std::atomic<bool> closed_{false};
};

/// *Threads*: Next() from any thread, the rest from one.
class CallThreads {
 public:
  explicit CallThreads(int count);
  /// Ends the threads once they have done what was posted.
  ~CallThreads();
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  /// The thread for the next call.
  std::shared_ptr<CallThread> Next();

 private:
  std::vector<std::shared_ptr<CallThread>> calls_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> next_{0};
};

}  // namespace baton::grpc
