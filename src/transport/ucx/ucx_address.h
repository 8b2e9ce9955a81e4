#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "process_identity.h"

namespace baton::transport {

/// What a UCX transport tells its peers about itself; Transport::Address() is its encoding.
struct UcxAddress {
  struct Region {
    std::string remote_key;
    uint64_t base = 0;
    uint64_t bytes = 0;
  };

  /// Random per transport: the sender of a message is known by it.
  uint64_t tag = 0;
  std::string worker_address;
  std::vector<Region> regions;
  bool shared_memory = false;
  /// Puts to the region must come as messages, because it lies in device memory.
  bool staged = false;
  ProcessIdentity process;

  std::vector<uint64_t> RegionBytes() const;
  std::string Encode() const;
  /// Fails with InvalidArgument.
  static Result<UcxAddress> Decode(const std::string& bytes);
};

}  // namespace baton::transport
