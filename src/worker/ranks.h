#pragma once

#include <memory>
#include <span>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/device/host_threads.h"
#include "baton/kv/kv_cache.h"
#include "baton/model/rank_runner.h"
#include "baton/transport/transport.h"
#include "baton/worker/worker.h"

namespace baton::worker {

/// Those that compute on the CPU, of all ranks of this process. A single rank's each stay near one
/// node of memory, where options.cores are near several.
device::HostThreads ThreadsOf(const WorkerOptions& options);

/// What the tensor-parallel ranks of a worker compute with, or those of one of its nodes.
class Ranks {
 public:
  /// What a rank computes on, where that is not the host.
  struct Gpu {
    device::DeviceMemory& memory;
    device::Stream& stream;
  };
  struct Parts {
    /// By rank; they and what is below outlive this.
    std::vector<const model::Model*> shards;
    /// Has their caches.
    transport::Transport& transport;
    const ops::Ops& ops;
    /// By rank, the GPUs that compute; none: the host does.
    std::vector<Gpu> gpus = {};
  };

  /// Gives each an equal part of memory and threads. Fails with ResourceExhausted.
  static Result<std::unique_ptr<Ranks>> Create(const WorkerOptions& options, Parts parts);
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  /// One that computes on all of them, once. `group` is what they sum by; empty: as threads over
  /// memory of the host.
  Result<std::unique_ptr<model::StepRunner>> MakeRunner(const model::StepLimits& limits,
                                                        collective::Group group);

  size_t size() const { return ranks_.size(); }
  const kv::KvCache& cache(size_t rank) const { return ranks_[rank].cache; }
  std::vector<transport::MemoryRegion> regions() const;
  /// Once there is a runner: the first rank's, and its parts by rank.
  collective::Communicator& communicator() { return *group_.front(); }
  std::span<const model::RankRunner::Parts> runner_parts() const { return runner_parts_; }

 private:
  struct Rank {
    transport::MemoryRegion region;
    kv::KvCache cache;
    /// Where the CPU computes; null where a GPU does.
    std::unique_ptr<device::HostStream> stream;
  };

  Ranks(const WorkerOptions& options, Parts parts) : options_(options), parts_(std::move(parts)) {}
  Status Build();

  const WorkerOptions& options_;
  Parts parts_;
  device::HostMemory host_memory_;
  std::vector<Rank> ranks_;
  collective::Group group_;
  std::vector<model::RankRunner::Parts> runner_parts_;
};

}  // namespace baton::worker
