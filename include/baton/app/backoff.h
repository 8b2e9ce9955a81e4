#pragma once

#include <cstdint>
#include <optional>

#include "baton/base/clock.h"
#include "baton/config/config.h"

namespace baton::app {

/// When a process that ended is started again.
class Backoff {
 public:
  explicit Backoff(const config::Restart& restart) : restart_(restart) {}

  void OnStart() { ready_at_.reset(); }
  void OnReady(TimePoint now);
  /// The delay before the next start; nothing when the process has never been ready and has had
  /// its attempts.
  std::optional<Duration> OnEnd(TimePoint now);

  bool ever_ready() const { return ever_ready_; }
  /// Ends since the process was last healthy.
  int32_t failures() const { return failures_; }

 private:
  const config::Restart restart_;
  std::optional<TimePoint> ready_at_;
  bool ever_ready_ = false;
  int32_t failures_ = 0;
};

}  // namespace baton::app
