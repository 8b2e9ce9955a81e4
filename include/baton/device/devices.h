#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::device {

/// A processor that could run a worker.
struct DeviceInfo {
  /// "cpu" or "cuda:0".
  std::string id;
  /// As the vendor calls it.
  std::string name;
  /// Cores that this process may use; multiprocessors of a GPU.
  int cores = 0;
  int64_t memory_bytes = 0;
  /// What kernels are chosen by: "avx2", "avx512f", "sm_90".
  std::vector<std::string> features;
};

struct DeviceList {
  /// The host first, then CUDA devices by index.
  std::vector<DeviceInfo> devices;
  /// Why there is no CUDA device, for a person to read; empty where there is one.
  std::string no_cuda;
};

/// Looks at the host and asks the CUDA driver, if there is one. Never fails.
DeviceList Devices();

}  // namespace baton::device
