#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::outbound {

/// "10.0.0.7:7000" and the like, sorted, and for how long that may be taken for true.
struct Addresses {
  std::vector<std::string> addresses;
  Duration time_to_live{};
};

/// Asks DNS, as the system is set up to. *Threads*: lives on one thread, which waits for answers.
class Resolver {
 public:
  /// `server` as in DnsOptions. A question ends early once `stop` is set, which outlives this.
  static Result<std::unique_ptr<Resolver>> Open(const std::string& server,
                                                const std::atomic<bool>& stop);
  virtual ~Resolver() = default;

  /// Of "host:port" or an SRV record. Fails with NotFound where there is none, with Unavailable
  /// where nobody could say.
  virtual Result<Addresses> Ask(const std::string& name) = 0;
};

}  // namespace baton::outbound
