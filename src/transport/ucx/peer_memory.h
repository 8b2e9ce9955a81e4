#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "baton/transport/transport.h"

namespace baton::transport {

/// A peer's regions, mapped into our own process by the host that both share.
/// *Threads*: lives on the transport thread. *Ownership*: the remote keys own the mappings.
class PeerMemory {
 public:
  /// The regions in their order. `data` is page-aligned.
  void Add(std::byte* data, size_t bytes) { regions_.push_back({data, bytes}); }
  bool empty() const { return regions_.empty(); }
  void Clear() { regions_.clear(); }

  /// Part of a transfer of `transfer_bytes`. REQUIRES: within the region. What was written is
  /// visible before anything stored later is.
  void Write(const Descriptor& to, const std::byte* from, uint64_t transfer_bytes);

  /// Enters some more pages into our page table, which the first write to each would have to do one
  /// by one, at several times the cost of the copy. False when all are there.
  bool MapMore();

 private:
  struct Region {
    std::byte* data = nullptr;
    size_t bytes = 0;
    /// Bytes whose pages are there.
    size_t mapped = 0;
  };
  std::vector<Region> regions_;
};

}  // namespace baton::transport
