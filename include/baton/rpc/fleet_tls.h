#pragma once

#include <string>

namespace baton::rpc {

/// What the processes of a fleet show each other: files in PEM, which are read again once they have
/// changed. Whoever has a certificate of `authority` belongs to the fleet, whatever its name.
struct FleetTls {
  std::string certificate;
  std::string key;
  std::string authority;
  /// They show each other nothing, and trust whoever comes.
  bool empty() const { return authority.empty(); }
};

}  // namespace baton::rpc
