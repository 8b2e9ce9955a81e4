#pragma once

#include <memory>
#include <string>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/nodes/link.h"

namespace baton::nodes {

/// Where other nodes reach this one.
class Listener {
 public:
  /// On "host:port"; port 0 lets the system choose. Fails with InvalidArgument or Unavailable.
  static Result<std::unique_ptr<Listener>> Open(const std::string& address);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Whoever comes within `timeout`; null: nobody.
  Result<std::unique_ptr<Link>> Accept(Duration timeout);
  /// "host:port" with the port in use.
  const std::string& address() const { return address_; }

 private:
  explicit Listener(int socket) : socket_(socket) {}

  const int socket_;
  std::string address_;
};

/// Connects to "host:port". Fails with InvalidArgument, and with Unavailable where nobody listens
/// there, now, or the name is not known.
Result<std::unique_ptr<Link>> Dial(const std::string& address);

}  // namespace baton::nodes
