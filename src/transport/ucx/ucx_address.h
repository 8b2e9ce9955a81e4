#pragma once

#include <cstdint>
#include <string>

#include "baton/base/status.h"
#include "process_identity.h"

namespace baton::transport {

/// What a UCX transport tells its peers about itself; Transport::Address() is its encoding.
struct UcxAddress {
  /// Random per transport: the sender of a message is known by it.
  uint64_t tag = 0;
  std::string worker_address;
  /// Empty when there is no region.
  std::string remote_key;
  uint64_t region_base = 0;
  uint64_t region_bytes = 0;
  bool shared_memory = false;
  ProcessIdentity process;

  std::string Encode() const;
  /// Fails with InvalidArgument.
  static Result<UcxAddress> Decode(const std::string& bytes);
};

}  // namespace baton::transport
