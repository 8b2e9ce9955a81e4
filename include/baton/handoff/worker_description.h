#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "baton/kv/kv_geometry.h"
#include "baton/transport/transport.h"

namespace baton::handoff {

inline constexpr uint32_t kProtocolVersion = 2;

/// What workers tell each other when they join.
struct WorkerDescription {
  uint32_t protocol_version = kProtocolVersion;
  Epoch epoch;
  std::string name;
  /// Identifies model, weights and arithmetic: KV of different fingerprints never mixes.
  std::string fingerprint;
  kv::KvGeometry geometry;
};

/// OK when the two workers can hand KV to each other. Fails with FailedPrecondition naming the
/// first field that differs and both values.
Status CheckCompatible(const WorkerDescription& ours, const WorkerDescription& theirs);

/// Our own worker. A rank's KV pool starts at its region's first byte: block b is at b *
/// block_bytes.
struct LocalWorker {
  WorkerDescription description;
  /// One for each rank.
  std::vector<transport::MemoryRegion> regions;
};

/// A joined and connected peer. `connection` is drawn at random by the decode side for each join
/// and sent with it; every message carries it, so that none of an earlier connection counts.
struct PeerDescription {
  WorkerDescription worker;
  uint64_t connection = 0;
};

}  // namespace baton::handoff
