#include "baton/access/caller.h"

#include <algorithm>
#include <cmath>

#include "baton/base/check.h"

namespace baton::access {

std::optional<LimitReached> KeyUse::Enter(const KeyLimits& limits, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (limits.requests_at_once > 0 && at_once_ >= limits.requests_at_once)
    return LimitReached{"requests_at_once", limits.requests_at_once};
  if (const double most = limits.requests_per_minute; most > 0) {
    const double per_second = most / 60;
    const double waited_s = refilled_ ? Seconds(now - *refilled_) : 60;
    allowance_ = std::min(most, allowance_ + waited_s * per_second);
    refilled_ = now;
    if (allowance_ < 1) {
      return LimitReached{"requests_per_minute", limits.requests_per_minute,
                          static_cast<int32_t>(std::ceil((1 - allowance_) / per_second))};
    }
    allowance_ -= 1;
  }
  ++at_once_;
  return std::nullopt;
}

void KeyUse::Leave() {
  std::lock_guard lock(mutex_);
  BATON_CHECK(at_once_ > 0);
  --at_once_;
}

uint64_t CacheSalt(const Caller& caller, std::string_view own) {
  if (caller.tenant.empty() && own.empty()) return 0;
  // No tenant's name has a line break.
  const Digest digest = HmacSha256(caller.salt_secret, caller.tenant + "\n" + std::string(own));
  uint64_t salt = 0;
  for (size_t i = 0; i < sizeof salt; ++i) salt = salt << 8 | digest[i];
  return std::max<uint64_t>(salt, 1);
}

int32_t AllowedPriority(const Caller& caller, int32_t asked) {
  return caller.use == nullptr ? asked : std::max(asked, caller.limits.highest_priority);
}

}  // namespace baton::access
