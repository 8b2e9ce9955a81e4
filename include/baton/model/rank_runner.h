#pragma once

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
  };

  /// Fails with InvalidArgument when the cache is not of the model's shape, and with
  /// ResourceExhausted.
  static Result<std::unique_ptr<RankRunner>> Create(const Parts& parts, const StepLimits& limits);
};

}  // namespace baton::model
