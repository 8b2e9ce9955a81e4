#pragma once

#include <algorithm>

#include "baton/base/silence.h"
#include "baton/rpc/messages.h"

namespace baton::worker {

/// What one of two joined workers knows of the other's life, and when it is to show its own. One
/// for a pair of workers, however many hand-offs they have.
class Liveness {
 public:
  Liveness(const rpc::JoinHello& ours, const rpc::JoinHello& theirs, TimePoint now)
      : expected_(theirs.silence.count() > 0),
        silence_(ours.silence, now),
        interval_(std::max<Duration>(theirs.silence / kSignsPerSilence, kLeastInterval)),
        next_sign_(now) {}

  void Heard(TimePoint now) { silence_.Heard(now); }
  /// True when the peer, which promised signs of life, has given none for too long.
  bool Lost(TimePoint now) { return expected_ && silence_.Look(now); }
  /// True when the peer wants a sign of ours now.
  bool TakeSign(TimePoint now) {
    if (!expected_ || now < next_sign_) return false;
    next_sign_ = now + interval_;
    return true;
  }
  TimePoint next() const {
    return expected_ ? std::min(silence_.next(), next_sign_) : TimePoint::max();
  }

 private:
  static constexpr int kSignsPerSilence = 3;
  /// However impatient the peer is.
  static constexpr Duration kLeastInterval = std::chrono::milliseconds(20);

  /// A peer of an earlier build neither looks nor gives signs.
  bool expected_;
  Silence silence_;
  Duration interval_;
  TimePoint next_sign_;
};

}  // namespace baton::worker
