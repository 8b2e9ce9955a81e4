#pragma once

#include <functional>
#include <string>

#include "baton/transport/loopback.h"
#include "oracle.h"
#include "worker.h"

namespace baton::simulation {

/// The invariants of src/README.md, by inspection of a worker between two turns of its threads.
/// Failures are reported to GoogleTest.
class Checks {
 public:
  using FindWorker = std::function<const SimulatedWorker*(const std::string& endpoint)>;
  Checks(const Oracle& oracle, FindWorker find) : oracle_(oracle), find_(std::move(find)) {}

  /// All that one process can tell about itself.
  void Check(const SimulatedWorker& worker) const;
  /// Called for each piece of a put before it lands.
  void CheckWrite(const transport::LoopbackWrite& write) const;

 private:
  using Sequence = scheduler::Sequence;
  /// Bytes on their way, within one block on either side.
  struct Run {
    int64_t local = 0;
    int64_t remote = 0;
    int64_t bytes = 0;
  };

  void OneOwner(const SimulatedWorker& worker) const;
  void NoEarlyDecode(const SimulatedWorker& worker, const Sequence& sequence) const;
  void NoOrphan(const SimulatedWorker& worker) const;
  void Bounded(const SimulatedWorker& worker) const;
  void CheckRun(const SimulatedWorker& from, const SimulatedWorker& to, const Run& run) const;
  /// The owner of a block at the decode side that puts may write now; null for none.
  const Sequence* Reserved(const SimulatedWorker& worker, BlockId block, int32_t& index) const;

  const Oracle& oracle_;
  const FindWorker find_;
};

}  // namespace baton::simulation
