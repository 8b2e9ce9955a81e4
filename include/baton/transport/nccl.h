#pragma once

#include <memory>

#include "baton/transport/transport.h"

namespace baton::transport {

struct NcclOptions {
  /// Number of the CUDA device that holds the region.
  int device = 0;
  /// Whether puts leave from here and arrive here. Each direction that both sides want costs a
  /// communicator.
  bool sends = true;
  bool receives = true;
  /// From an invitation until both ends of a communicator have met.
  Duration connect_deadline = std::chrono::seconds(30);
  /// Without any progress, while puts are under way.
  Duration transfer_deadline = std::chrono::seconds(10);
  /// Before a broken communicator is replaced; doubles up to a minute while that fails.
  Duration retry_delay = std::chrono::milliseconds(500);
  /// Longest time that the end of the transport waits for aborted communicators.
  Duration close_deadline = std::chrono::seconds(2);
};

/// A transport for memory of CUDA devices over NCCL. NCCL carries the puts, over whatever it finds;
/// `messages` carries the messages, and those by which both sides agree on each put. The library is
/// loaded now, not with the process. Fails with Unavailable, saying what is missing: this build,
/// the library, its version, the device.
Result<std::unique_ptr<Transport>> MakeNcclTransport(const NcclOptions& options,
                                                     std::unique_ptr<Transport> messages);

}  // namespace baton::transport
