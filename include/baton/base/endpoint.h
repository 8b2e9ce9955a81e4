#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton {

/// Where something listens.
struct Endpoint {
  std::string host;  ///< A name or an address, of IPv6 without its brackets; may be empty.
  uint16_t port = 0;
};

/// Of host:port or [IPv6]:port; nothing where `text` is neither.
std::optional<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace baton
