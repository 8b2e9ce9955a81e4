#pragma once

#include <memory>
#include <string>

#include "baton/device/host_threads.h"
#include "baton/device/memory.h"
#include "baton/transport/transport.h"

namespace baton::transport {

struct UcxOptions {
  /// What UCX may use, in the syntax of UCX_TLS, e.g. "tcp" or "^cma". Empty: what the environment
  /// says, else everything that the host offers.
  std::string transports;
  /// Network devices, in the syntax of UCX_NET_DEVICES. Empty: as above.
  std::string net_devices;
  /// Where regions in device memory come from; outlives the transport. Null: there are none.
  device::DeviceMemory* device_memory = nullptr;
  /// Such regions pass through pinned host memory even where UCX could reach them.
  bool stage_device_memory = false;
  /// Longest time that Disconnect() gives the peer to take what is under way.
  Duration disconnect_deadline = std::chrono::milliseconds(200);
  /// Copies straight into memory that the peer shares with us. Off: UCX does, by its puts.
  bool direct_copies = true;
  /// Such threads touch the memory of regions on the host when these are allocated.
  device::HostThreads touching_threads = 1;
};

/// A transport over UCX: shared memory within a host, RDMA or TCP between hosts, whatever UCX
/// finds. UCX installs no signal or memory hooks. Fails with Unavailable when UCX finds no usable
/// device.
Result<std::unique_ptr<Transport>> MakeUcxTransport(const UcxOptions& options = {});

}  // namespace baton::transport
