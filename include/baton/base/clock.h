#pragma once

#include <atomic>
#include <chrono>

namespace baton {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Where time comes from. Injected, so that tests own it. *Threads*: thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic.
  virtual TimePoint Now() const = 0;
  /// Seconds since the Unix epoch, for the fields of a response.
  virtual int64_t UnixSeconds() const = 0;

  static Clock& System();
};

/// A clock that stands still until a test advances it.
class ManualClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(now_ns_.load())); }
  int64_t UnixSeconds() const override { return now_ns_.load() / 1'000'000'000; }
  void Advance(Duration duration) { now_ns_ += duration.count(); }

 private:
  std::atomic<int64_t> now_ns_{1'000'000'000};
};

}  // namespace baton
