#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "baton/model/model.h"
#include "baton/model/step_runner.h"

namespace baton::model {

/// A StepRunner on one device: a model, a cache and a stream. Each step goes there as one copy, to
/// the same addresses as the one before, and what it gave comes back as one or two; nothing in
/// between waits. *Threads*: lives on one thread, the stream's.
class RankRunner : public StepRunner {
 public:
  /// All of one device; they outlive the runner.
  struct Parts {
    const Model& model;
    kv::KvCache& cache;
    const ops::Ops& ops;
    device::Stream& stream;
    device::DeviceMemory& memory;
    /// Null where the model has no other ranks.
    collective::Communicator* communicator = nullptr;
    /// Steps of nothing but decodes, up to so many, are recorded and repeated where the stream can:
    /// padded to one of few sizes by rows that are nobody's. 0: never, as with other ranks.
    int32_t replayed_rows = 0;
  };
  /// How many sizes were recorded, of how many.
  using OnRecorded = std::function<void(int32_t done, int32_t total)>;

  /// Fails with InvalidArgument when the cache is not of the model's shape, and with
  /// ResourceExhausted.
  static Result<std::unique_ptr<RankRunner>> Create(const Parts& parts, const StepLimits& limits);

  /// Records all sizes now, by steps of no sequences; else each is recorded when it comes up. Fails
  /// when the device is sick. REQUIRES: no step is under way.
  virtual Status RecordAndWait(const OnRecorded& on_recorded) = 0;
};

}  // namespace baton::model
