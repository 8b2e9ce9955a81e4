#include "baton/app/backoff.h"

#include <algorithm>

namespace baton::app {

void Backoff::OnReady(TimePoint now) {
  ready_at_ = now;
  ever_ready_ = true;
}

std::optional<Duration> Backoff::OnEnd(TimePoint now) {
  if (ready_at_ && now - *ready_at_ >= restart_.healthy) failures_ = 0;
  ++failures_;
  if (!ever_ready_ && failures_ >= restart_.attempts) return std::nullopt;
  Duration delay = restart_.delay;
  for (int32_t i = 1; i < failures_ && delay < restart_.longest_delay; ++i) delay *= 2;
  return std::min(delay, restart_.longest_delay);
}

}  // namespace baton::app
