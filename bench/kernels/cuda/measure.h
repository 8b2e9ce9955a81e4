#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/random.h"
#include "baton/base/status.h"
#include "baton/device/cuda_stream.h"

namespace baton::bench {

/// Memory of the device with values that are neither zero nor alike, for one set of inputs.
/// *Ownership*: frees what it gave.
class DeviceSet {
 public:
  explicit DeviceSet(uint64_t seed) : random_(seed) {}

  /// Uniform in [-1, 1).
  BFloat16* BFloat16s(int64_t n);
  float* Floats(int64_t n);
  int32_t* Ints(const std::vector<int32_t>& values);
  /// Zeros: what is only written.
  std::byte* Bytes(int64_t n);

 private:
  std::byte* Allocate(size_t bytes);
  template <class T>
  T* Copied(const std::vector<T>& values);

  Random random_;
  std::vector<std::shared_ptr<std::byte>> allocations_;
};

/// One operation at one shape.
struct Case {
  std::string op;
  std::string shape;
  /// Of device memory that it must move at least, and what it must compute.
  double bytes = 0;
  double flops = 0;
  /// Makes inputs and returns what enqueues the operation on them once.
  std::function<std::function<void(device::Stream&)>(DeviceSet&)> prepare;
  /// Fails where this host cannot do it, saying why; empty: every host can.
  std::function<Status(device::Stream&)> check = {};
};

struct Measurement {
  double microseconds = 0;
  /// (slowest - fastest) / median of the samples.
  double spread = 0;
};

/// The median of samples, each a graph of many launches over as many sets of inputs as do not fit
/// the second-level cache together.
Measurement Measure(const Case& benchmark, device::CudaStream& stream);

/// Bytes per second, read and written, of the driver's own copy within the device.
double CopyBytesPerSecond(device::CudaStream& stream);

/// "NVIDIA H100 80GB HBM3, driver 13.0".
std::string DeviceName();

// The benchmarks, by source.
std::vector<Case> LinearCases();
std::vector<Case> PeerSumCases();
std::vector<Case> PrefillCases();
std::vector<Case> RowCases();
std::vector<Case> AttentionCases();
std::vector<Case> SampleCases();

}  // namespace baton::bench
