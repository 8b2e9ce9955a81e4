#include "ranks.h"

#include <algorithm>
#include <utility>

#include "baton/base/check.h"
#include "baton/model/parallel_runner.h"

namespace baton::worker {

device::HostThreads ThreadsOf(const WorkerOptions& options) {
  if (options.cores.empty() || options.ranks_per_node() > 1) return options.threads;
  return {options.threads, device::CoresByNode(options.cores)};
}

Result<std::unique_ptr<Ranks>> Ranks::Create(const WorkerOptions& options, Parts parts) {
  std::unique_ptr<Ranks> ranks(new Ranks(options, std::move(parts)));
  BATON_RETURN_IF_ERROR(ranks->Build());
  return ranks;
}

Status Ranks::Build() {
  const auto here = static_cast<int32_t>(parts_.shards.size());
  const int32_t first = parts_.shards.front()->shard().rank;
  const int32_t all = parts_.shards.front()->shard().ranks;
  BATON_CHECK(parts_.gpus.empty() || parts_.gpus.size() == parts_.shards.size())
      << "a GPU for each rank";
  const auto kind =
      parts_.gpus.empty() ? transport::MemoryKind::kHost : transport::MemoryKind::kDevice;
  for (const model::Model* shard : parts_.shards) {
    const auto rank = static_cast<int32_t>(ranks_.size());
    const kv::KvGeometry geometry = shard->KvGeometry(options_.block_tokens, options_.kv_dtype);
    BATON_CHECK(geometry.tp_size == all && shard->shard().rank == first + rank);
    BATON_ASSIGN_OR_RETURN(
        const transport::MemoryRegion region,
        parts_.transport.AllocateRegion(static_cast<size_t>(options_.kv_bytes / all), kind));
    BATON_ASSIGN_OR_RETURN(kv::KvCache cache,
                           kv::KvCache::Create(geometry, {region.data, region.bytes}));
    ranks_.push_back({.region = region, .cache = cache, .stream = nullptr});
    if (!parts_.gpus.empty()) continue;
    device::HostThreads threads = ThreadsOf(options_);
    threads.count =
        std::max(1, static_cast<int>(collective::PartBegin(threads.count, rank + 1, here) -
                                     collective::PartBegin(threads.count, rank, here)));
    ranks_.back().stream = std::make_unique<device::HostStream>(threads);
  }
  return OkStatus();
}

Result<std::unique_ptr<model::StepRunner>> Ranks::MakeRunner(const model::StepLimits& limits,
                                                             collective::Group group) {
  group_ = std::move(group);
  if (group_.empty()) group_ = collective::MakeHostGroup(static_cast<int32_t>(ranks_.size()));
  BATON_CHECK(group_.size() == ranks_.size());
  for (size_t r = 0; r < ranks_.size(); ++r) {
    const bool on_gpu = !parts_.gpus.empty();
    runner_parts_.push_back({.model = *parts_.shards[r],
                             .cache = ranks_[r].cache,
                             .ops = parts_.ops,
                             .stream = on_gpu ? parts_.gpus[r].stream : *ranks_[r].stream,
                             .memory = on_gpu ? parts_.gpus[r].memory : host_memory_,
                             .communicator = group_[r].get(),
                             .replayed_rows = options_.graph_sequences});
  }
  if (ranks_.size() == 1) {
    BATON_ASSIGN_OR_RETURN(auto runner, model::RankRunner::Create(runner_parts_.front(), limits));
    return std::unique_ptr<model::StepRunner>(std::move(runner));
  }
  BATON_ASSIGN_OR_RETURN(auto runner, model::ParallelRunner::Create(runner_parts_, limits));
  return std::unique_ptr<model::StepRunner>(std::move(runner));
}

std::vector<transport::MemoryRegion> Ranks::regions() const {
  std::vector<transport::MemoryRegion> regions;
  for (const Rank& rank : ranks_) regions.push_back(rank.region);
  return regions;
}

}  // namespace baton::worker
