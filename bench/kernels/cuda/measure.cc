#include "measure.h"

#include <algorithm>
#include <cmath>

#include <cuda_runtime_api.h>

#include "baton/base/check.h"

namespace baton::bench {
namespace {

constexpr int kSamples = 21;
/// Launches of a sample are chosen so that it lasts about this long.
constexpr double kSampleMicroseconds = 2000;
constexpr int kMostLaunches = 512;
constexpr double kCachedBytes = 128e6;
constexpr int kMostSets = 32;
constexpr size_t kPeriod = 1000003;

void Check(const char* what, cudaError_t error) {
  BATON_CHECK(error == cudaSuccess) << what << ": " << cudaGetErrorString(error);
}

class Event {
 public:
  Event() { Check("cudaEventCreate", cudaEventCreate(&event_)); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void Record(cudaStream_t stream) { Check("cudaEventRecord", cudaEventRecord(event_, stream)); }
  double MicrosecondsSince(const Event& begin) const {
    Check("cudaEventSynchronize", cudaEventSynchronize(event_));
    float ms = 0;
    Check("cudaEventElapsedTime", cudaEventElapsedTime(&ms, begin.event_, event_));
    return 1000.0 * ms;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

using Enqueue = std::function<void(int launch)>;

/// So many launches as one graph.
class LaunchGraph {
 public:
  LaunchGraph(cudaStream_t stream, int launches, const Enqueue& enqueue) : stream_(stream) {
    Check("capture", cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < launches; ++i) enqueue(i);
    cudaGraph_t graph = nullptr;
    Check("capture", cudaStreamEndCapture(stream, &graph));
    Check("cudaGraphInstantiate", cudaGraphInstantiate(&graph_, graph, 0));
    Check("cudaGraphDestroy", cudaGraphDestroy(graph));
  }
  ~LaunchGraph() { (void)cudaGraphExecDestroy(graph_); }
  LaunchGraph(const LaunchGraph&) = delete;
  LaunchGraph& operator=(const LaunchGraph&) = delete;

  double Microseconds() {
    Event begin;
    Event end;
    begin.Record(stream_);
    Check("cudaGraphLaunch", cudaGraphLaunch(graph_, stream_));
    end.Record(stream_);
    return end.MicrosecondsSince(begin);
  }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t graph_ = nullptr;
};

Measurement MedianOf(cudaStream_t stream, const Enqueue& enqueue) {
  LaunchGraph probe(stream, 8, enqueue);
  probe.Microseconds();
  const double one = std::max(0.5, probe.Microseconds() / 8);
  const int launches = std::clamp(static_cast<int>(kSampleMicroseconds / one), 1, kMostLaunches);
  LaunchGraph graph(stream, launches, enqueue);
  for (int i = 0; i < 3; ++i) graph.Microseconds();
  std::vector<double> samples(kSamples);
  for (double& sample : samples) sample = graph.Microseconds() / launches;
  std::sort(samples.begin(), samples.end());
  const double median = samples[kSamples / 2];
  return {.microseconds = median, .spread = (samples.back() - samples.front()) / median};
}

}  // namespace

std::byte* DeviceSet::Allocate(size_t bytes) {
  void* data = nullptr;
  Check("cudaMalloc", cudaMalloc(&data, bytes));
  allocations_.emplace_back(static_cast<std::byte*>(data), [](std::byte* p) { (void)cudaFree(p); });
  return allocations_.back().get();
}

template <class T>
T* DeviceSet::Copied(const std::vector<T>& values) {
  auto* data = reinterpret_cast<T*>(Allocate(values.size() * sizeof(T)));
  Check("cudaMemcpy",
        cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return data;
}

BFloat16* DeviceSet::BFloat16s(int64_t n) {
  std::vector<BFloat16> values(static_cast<size_t>(n));
  // Drawn for a while, then again: no size is a multiple of the period.
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i < kPeriod ? ToBFloat16(static_cast<float>(random_.Uniform() * 2 - 1))
                            : values[i - kPeriod];
  }
  return Copied(values);
}

float* DeviceSet::Floats(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i < kPeriod ? static_cast<float>(random_.Uniform() * 2 - 1) : values[i - kPeriod];
  }
  return Copied(values);
}

int32_t* DeviceSet::Ints(const std::vector<int32_t>& values) { return Copied(values); }

std::byte* DeviceSet::Bytes(int64_t n) {
  std::byte* data = Allocate(static_cast<size_t>(n));
  Check("cudaMemset", cudaMemset(data, 0, static_cast<size_t>(n)));
  return data;
}

Measurement Measure(const Case& benchmark, device::CudaStream& stream) {
  const int sets =
      benchmark.bytes <= 0
          ? 1
          : std::clamp(static_cast<int>(std::ceil(kCachedBytes / benchmark.bytes)), 1, kMostSets);
  std::vector<std::unique_ptr<DeviceSet>> inputs;
  std::vector<std::function<void(device::Stream&)>> bodies;
  for (int i = 0; i < sets; ++i) {
    inputs.push_back(std::make_unique<DeviceSet>(static_cast<uint64_t>(i) + 1));
    bodies.push_back(benchmark.prepare(*inputs.back()));
  }
  // What a first launch loads must not fall into a capture.
  bodies[0](stream);
  stream.SynchronizeAndWait();
  return MedianOf(static_cast<cudaStream_t>(stream.native()),
                  [&](int launch) { bodies[static_cast<size_t>(launch % sets)](stream); });
}

double CopyBytesPerSecond(device::CudaStream& stream) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  DeviceSet set(1);
  std::byte* from = set.Bytes(kBytes);
  std::byte* to = set.Bytes(kBytes);
  const auto native = static_cast<cudaStream_t>(stream.native());
  const Measurement copy = MedianOf(native, [&](int) {
    Check("cudaMemcpyAsync", cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, native));
  });
  return 2e6 * static_cast<double>(kBytes) / copy.microseconds;
}

std::string DeviceName() {
  cudaDeviceProp properties;
  int driver = 0;
  Check("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, 0));
  Check("cudaDriverGetVersion", cudaDriverGetVersion(&driver));
  return std::string(properties.name) + ", driver for CUDA " + std::to_string(driver / 1000) + "." +
         std::to_string(driver % 1000 / 10);
}

}  // namespace baton::bench
