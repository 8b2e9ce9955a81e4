#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "baton/base/status.h"

namespace baton {

/// The addresses that begin with the same bits, e.g. "10.0.0.0/8", "fd00::/8" or "127.0.0.1".
class IpNetwork {
 public:
  /// *Fails with* InvalidArgument, saying why, for what is no network in that notation.
  static Result<IpNetwork> Parse(std::string_view text);

  /// Whether `address`, e.g. "10.1.2.3" or "::ffff:10.1.2.3", is one of them; what is no address is
  /// not.
  bool Contains(std::string_view address) const;

 private:
  /// IPv4's are ::ffff:a.b.c.d.
  std::array<uint8_t, 16> address_{};
  int bits_ = 128;
};

}  // namespace baton
