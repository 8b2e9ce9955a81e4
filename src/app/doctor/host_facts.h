#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::app {

struct NetworkInterface {
  std::string name;
  int32_t mtu = 0;
  bool up = false;
};

/// What this host offers, as read. Sizes in bytes; -1: no limit or not known.
struct HostFacts {
  std::string system;
  int32_t cores = 0;
  int64_t memory = -1;
  int64_t memory_available = -1;
  /// Of the control group that we are in.
  int64_t memory_limit = -1;
  int64_t shm = -1;
  int64_t shm_available = -1;
  int64_t huge_pages_free = 0;
  /// How shared memory gets huge pages: "always", "within_size", "advise", "never", "deny".
  std::string shm_huge_pages;
  int64_t locked_memory_limit = -1;
  int64_t open_files_limit = -1;
  std::string clock_source;
  /// Of the steady clock.
  int64_t clock_resolution_ns = -1;
  std::vector<NetworkInterface> interfaces;
  /// Names of RDMA devices.
  std::vector<std::string> rdma_devices;
};

HostFacts ReadHostFacts();

}  // namespace baton::app
