#include "sums.h"

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include <cuda_runtime_api.h>

namespace baton::bench {
namespace {

constexpr int kSamples = 11;
constexpr int kSumsOfASample = 200;
constexpr uint64_t kRecording = 1;

void Check(const char* what, cudaError_t error) {
  BATON_CHECK(error == cudaSuccess) << what << ": " << cudaGetErrorString(error);
}

/// What `enqueue` takes on a stream of the current device, in microseconds.
class Timer {
 public:
  Timer() {
    for (cudaEvent_t& event : events_) Check("cudaEventCreate", cudaEventCreate(&event));
  }
  ~Timer() {
    for (cudaEvent_t event : events_) (void)cudaEventDestroy(event);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Record(size_t which, device::CudaStream& stream) {
    Check("cudaEventRecord",
          cudaEventRecord(events_[which], static_cast<cudaStream_t>(stream.native())));
  }
  /// Of an end that has come.
  double Microseconds() const {
    float ms = 0;
    Check("cudaEventElapsedTime", cudaEventElapsedTime(&ms, events_[0], events_[1]));
    return 1000.0 * ms;
  }

 private:
  std::array<cudaEvent_t, 2> events_{};
};

}  // namespace

Result<std::unique_ptr<Ranks>> Ranks::Open(int32_t ranks, int64_t most_elements) {
  std::unique_ptr<Ranks> made(new Ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    BATON_ASSIGN_OR_RETURN(auto memory, device::OpenCudaMemory(rank));
    // Zeros, so that sums of sums of sums stay finite.
    BATON_ASSIGN_OR_RETURN(
        device::Allocation elements,
        memory->Allocate(static_cast<size_t>(most_elements) * DTypeBytes(DType::kBFloat16)));
    BATON_ASSIGN_OR_RETURN(auto stream, device::OpenCudaStream(rank));
    made->memories_.push_back(std::move(memory));
    made->elements_.push_back(std::move(elements));
    made->streams_.push_back(std::move(stream));
  }
  return made;
}

collective::CudaGroupParts Ranks::parts() const {
  collective::CudaGroupParts parts;
  for (size_t rank = 0; rank < memories_.size(); ++rank) {
    parts.devices.push_back(static_cast<int>(rank));
    parts.memories.push_back(memories_[rank].get());
  }
  return parts;
}

void Ranks::OnEach(const Body& body) {
  std::vector<std::jthread> threads;
  for (size_t rank = 0; rank < memories_.size(); ++rank) {
    threads.emplace_back([&, rank] {
      memories_[rank]->MakeCurrent();
      body(rank);
    });
  }
}

Status Ranks::StatusOf(const collective::Group& group) const {
  for (const auto& stream : streams_) BATON_RETURN_IF_ERROR(stream->status());
  return group.front()->status();
}

Result<double> Ranks::MicrosecondsOf(collective::Group& group, int64_t count) {
  const auto sum = [&](size_t rank) {
    group[rank]->AllReduce({.x = elements_[rank].get(), .dtype = DType::kBFloat16, .count = count},
                           *streams_[rank]);
  };
  // 1. Connects and loads what a recording has no place for.
  OnEach([&](size_t rank) {
    sum(rank);
    streams_[rank]->SynchronizeAndWait();
  });
  BATON_RETURN_IF_ERROR(StatusOf(group));

  // 2. A graph of each rank's sums.
  std::vector<char> recorded(memories_.size());
  OnEach([&](size_t rank) {
    recorded[rank] = streams_[rank]->Record(kRecording, [&] {
      for (int i = 0; i < kSumsOfASample; ++i) sum(rank);
    });
  });
  const bool all = std::find(recorded.begin(), recorded.end(), 0) == recorded.end();

  // 3. Samples. The sum before the first time has all ranks begin together.
  std::vector<double> samples;
  for (int i = 0; all && i < kSamples && StatusOf(group).ok(); ++i) {
    std::vector<double> took(memories_.size());
    OnEach([&](size_t rank) {
      device::CudaStream& stream = *streams_[rank];
      Timer timer;
      sum(rank);
      timer.Record(0, stream);
      stream.Replay(kRecording);
      timer.Record(1, stream);
      stream.SynchronizeAndWait();
      took[rank] = timer.Microseconds();
    });
    samples.push_back(*std::max_element(took.begin(), took.end()) / kSumsOfASample);
  }
  OnEach([&](size_t rank) { streams_[rank]->ForgetRecordings(); });
  BATON_RETURN_IF_ERROR(StatusOf(group));
  if (!all) return Unavailable("the sums cannot be recorded as a CUDA graph");
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

}  // namespace baton::bench
