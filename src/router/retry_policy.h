#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/router/retry_options.h"

namespace baton::router {

/// Why an attempt at a request came to nothing.
enum class Cause : uint8_t {
  /// The worker is gone, or its connection is.
  kLost,
  /// It is there and gets nothing done.
  kStuck,
  /// It ends, and hands over what it has not finished.
  kDrain,
  /// It takes no more.
  kFull,
  /// The prefill worker, or the way from there.
  kPeer,
  /// Its device, or it said what cannot be.
  kSick,
};

inline constexpr size_t kCauses = 6;
std::string_view CauseName(Cause cause);

/// How an attempt ended that brought no last token.
struct AttemptEnd {
  Status status;
  /// The router gave the worker up by itself; why.
  std::optional<Cause> given_up;
  /// It was to be handed over, and had no token yet.
  bool awaits_prefill = false;
  /// Some worker took the request, and none has found fault with it yet.
  bool in_order = false;
};

/// What follows from it.
struct Verdict {
  /// False: the request is at fault, and would be anywhere.
  bool again = false;
  /// The worker finds fault with the request.
  bool of_request = false;
  Cause cause = Cause::kLost;
  /// The prefill worker is to be avoided rather than the one that was to generate.
  bool blames_prefill = false;
};

Verdict Judge(const AttemptEnd& end);

/// How often and how soon one request is tried again. *Threads*: lives on the router's thread.
class RetryBudget {
 public:
  RetryBudget(const RetryOptions& options, TimePoint now) : options_(options), idle_since_(now) {}

  void OnSent(TimePoint now);
  /// The attempt that was sent is over and brought so many tokens. Enough of them let the count
  /// begin anew: such a request gets ahead.
  void OnFailed(TimePoint now, int64_t tokens);

  /// When the next attempt may be made; nothing when there is to be none.
  std::optional<TimePoint> Next() const;
  /// There was nobody to send it to: when to look again; nothing when it has waited long enough.
  std::optional<TimePoint> NextLook(TimePoint now) const;
  int32_t failed() const { return failed_; }

 private:
  /// Between two attempts; the first of them follows at once, later ones after twice as long each.
  Duration Pause() const;

  RetryOptions options_;
  /// Since the last that got ahead.
  int32_t failed_ = 0;
  Duration waited_{};
  /// Since when nobody is at it.
  TimePoint idle_since_;
};

}  // namespace baton::router
