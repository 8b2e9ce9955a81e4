#include "retry_policy.h"

#include <algorithm>

namespace baton::router {
namespace {

/// An attempt with fewer tokens has not got ahead: a request that ends its worker each time must
/// come to its end.
constexpr int64_t kProgressTokens = 32;
constexpr Duration kShortestPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);
/// Between two looks whether somebody is there.
constexpr Duration kLook = std::chrono::milliseconds(20);

bool OfRequest(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kAlreadyExists:
    case StatusCode::kPermissionDenied:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
    case StatusCode::kUnimplemented:
    case StatusCode::kInternal:
    case StatusCode::kUnauthenticated: return true;
    default: return false;
  }
}

Cause CauseOf(const AttemptEnd& end) {
  if (end.given_up) return *end.given_up;
  if (end.status.code() == StatusCode::kAborted) return Cause::kDrain;
  if (end.status.blast() == Blast::kPeer) return Cause::kPeer;
  if (end.status.code() == StatusCode::kResourceExhausted) return Cause::kFull;
  return end.status.code() == StatusCode::kInternal ? Cause::kSick : Cause::kLost;
}

}  // namespace

std::string_view CauseName(Cause cause) {
  switch (cause) {
    case Cause::kLost: return "lost";
    case Cause::kStuck: return "stuck";
    case Cause::kDrain: return "drain";
    case Cause::kFull: return "full";
    case Cause::kPeer: return "peer";
    case Cause::kSick: return "sick";
  }
  return "lost";
}

Verdict Judge(const AttemptEnd& end) {
  Verdict verdict{.again = true, .cause = CauseOf(end)};
  verdict.blames_prefill = end.awaits_prefill && verdict.cause == Cause::kPeer;
  verdict.of_request =
      !end.given_up && end.status.blast() == Blast::kRequest && OfRequest(end.status.code());
  // A worker that finds fault with what others took may be the one that is wrong.
  verdict.again = !verdict.of_request || end.in_order;
  return verdict;
}

void RetryBudget::OnSent(TimePoint now) {
  waited_ += std::max(Duration::zero(), now - idle_since_);
  idle_since_ = now;
}

void RetryBudget::OnFailed(TimePoint now, int64_t tokens) {
  if (tokens >= kProgressTokens) {
    failed_ = 0;
    waited_ = Duration::zero();
  }
  ++failed_;
  idle_since_ = now;
}

std::optional<TimePoint> RetryBudget::Next() const {
  if (failed_ >= options_.attempts || waited_ > options_.wait) return std::nullopt;
  return idle_since_ + Pause();
}

std::optional<TimePoint> RetryBudget::NextLook(TimePoint now) const {
  const Duration left = options_.wait - waited_ - (now - idle_since_);
  if (left <= Duration::zero()) return std::nullopt;
  return now + std::min(left, kLook);
}

Duration RetryBudget::Pause() const {
  if (failed_ < 2) return Duration::zero();
  Duration pause = kShortestPause;
  for (int32_t i = 2; i < failed_ && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

}  // namespace baton::router
