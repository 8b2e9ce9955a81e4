#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "baton/base/clock.h"
#include "support/load.h"

namespace baton::test {

/// Clients that send completions one after the other until they are told to stop.
class LoadLoop {
 public:
  struct Answer {
    size_t body = 0;
    TimePoint begin;
    TimePoint end;
    Outcome outcome;

    bool finished() const {
      return outcome.status == 200 && outcome.complete && outcome.error.empty();
    }
  };

  LoadLoop(uint16_t port, const std::vector<CompletionBody>& bodies, int clients);
  /// Waits for what is under way.
  std::vector<Answer> Stop();
  std::vector<Answer> answers() const;

 private:
  void Run(uint16_t port);

  const std::vector<CompletionBody>& bodies_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Answer> answers_;
  std::vector<std::jthread> clients_;
};

}  // namespace baton::test
