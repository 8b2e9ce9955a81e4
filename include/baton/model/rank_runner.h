#pragma once

#include <cstdint>
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
    /// What RecordAndWait() records are steps of up to so many decodes.
    int32_t replayed_rows = 0;
  };

  /// Fails with InvalidArgument when the cache is not of the model's shape, and with
  /// ResourceExhausted.
  static Result<std::unique_ptr<RankRunner>> Create(const Parts& parts, const StepLimits& limits);

  /// What a runner's memory follows from, before there is a cache.
  struct Plan {
    const Model& model;
    const ops::Ops& ops;
    StepLimits limits;
    int32_t block_tokens = 0;
    int32_t replayed_rows = 0;
  };
  /// What Create() takes of the device's memory: less where a cache has fewer blocks than a
  /// context. Rows with penalties, biases or bans add what their lists take.
  static int64_t Bytes(const Plan& plan);
  /// What RecordAndWait() is reckoned to take beside that, where the device records.
  static int64_t RecordingBytes(const Plan& plan);

  /// What RecordAndWait() does, one after the other, for the sizes [0, sizes()): with other ranks
  /// all do the same, so that sums of a recording meet sums of recordings.
  virtual int32_t sizes() const = 0;
  /// Computes a step of no sequences of that size, as it is recorded if it is. Fails when the
  /// device is sick.
  virtual Status TryAndWait(int32_t size) = 0;
  /// False where the device refuses.
  virtual bool Record(int32_t size) = 0;
  /// From here on steps are repeated. REQUIRES: all sizes are recorded.
  virtual void Repeat() = 0;
  virtual void Forget() = 0;
};

}  // namespace baton::model
