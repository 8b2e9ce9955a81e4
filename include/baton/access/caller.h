#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "baton/access/key_file.h"
#include "baton/base/clock.h"

namespace baton::access {

/// Which limit of a key is reached, and when it is worth to ask again.
struct LimitReached {
  std::string limit;
  int32_t most = 0;
  int32_t retry_after_s = 1;
};

/// What a key's holder takes now. Survives that the file of keys is read again.
/// *Threads*: thread-safe; a mutex, as the answer is needed at once.
class KeyUse {
 public:
  /// Counts one more request, to be left again, or says which limit it would break.
  std::optional<LimitReached> Enter(const KeyLimits& limits, TimePoint now);
  void Leave();

 private:
  std::mutex mutex_;
  int32_t at_once_ = 0;
  /// Requests that may still come at once: full after a minute without any.
  double allowance_ = 0;
  /// Absent before the first request.
  std::optional<TimePoint> refilled_;
};

/// Who asks. *Threads*: immutable.
struct Caller {
  /// All three empty where nobody is asked for a key.
  std::string name;
  std::string tenant;
  std::string salt_secret;
  KeyLimits limits;
  /// Null where nobody is asked for a key.
  std::shared_ptr<KeyUse> use;
};

/// Separates what one tenant's requests leave in prefix caches from that of all others, and within
/// a tenant by `own`, a salt of the client's choice. The same in every process with the same file
/// of keys. 0 for callers without tenant and salt.
uint64_t CacheSalt(const Caller& caller, std::string_view own);

/// `asked`, or the highest that the caller's key allows. Where nobody is asked for a key, any.
int32_t AllowedPriority(const Caller& caller, int32_t asked);

}  // namespace baton::access
