#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include <sys/socket.h>

#include "baton/nodes/link.h"

namespace baton::nodes {

/// Both ends of a link within this process: of `first`, and of the other.
inline std::pair<std::shared_ptr<Link>, std::shared_ptr<Link>> MakeLinkPair(
    const std::string& first = "node 0", const std::string& second = "node 1") {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return {};
  return {std::make_shared<Link>(ends[0], second), std::make_shared<Link>(ends[1], first)};
}

}  // namespace baton::nodes
