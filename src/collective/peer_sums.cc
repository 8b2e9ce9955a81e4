#include "peer_sums.h"

#include <atomic>
#include <cstring>

namespace baton::collective {
namespace {

/// What the kernel moves at once.
constexpr int64_t kUnitBytes = 16;

}  // namespace

Result<std::shared_ptr<PeerSums>> PeerSums::Create(const CudaGroupParts& parts) {
  if (parts.ops == nullptr || parts.ops->peer_sum == nullptr) return std::shared_ptr<PeerSums>();
  const int64_t most = parts.ops->peer_sum_most_bytes(static_cast<int32_t>(parts.memories.size()),
                                                      parts.deterministic);
  if (most == 0) return std::shared_ptr<PeerSums>();
  std::shared_ptr<PeerSums> sums(new PeerSums(parts, most));
  for (device::DeviceMemory* memory : parts.memories) {
    BATON_ASSIGN_OR_RETURN(sums->workspaces_.emplace_back(),
                           memory->Allocate(parts.ops->peer_sum_workspace_bytes()));
  }
  BATON_ASSIGN_OR_RETURN(sums->ended_, parts.memories.front()->AllocatePinned(sizeof(uint32_t)));
  std::memset(sums->ended_.get(), 0, sizeof(uint32_t));
  return sums;
}

bool PeerSums::Takes(const AllReduceParams& params) const {
  const int64_t bytes = params.count * static_cast<int64_t>(DTypeBytes(params.dtype));
  return bytes > 0 && bytes <= most_bytes_ && bytes % kUnitBytes == 0 &&
         reinterpret_cast<uintptr_t>(params.x) % kUnitBytes == 0;
}

void PeerSums::Enqueue(const AllReduceParams& params, int32_t rank, device::Stream& stream) const {
  ops::PeerSumParams sum{.x = params.x,
                         .dtype = params.dtype,
                         .count = params.count,
                         .rank = rank,
                         .ranks = ranks_,
                         .ended = reinterpret_cast<const uint32_t*>(ended_.get())};
  for (size_t r = 0; r < workspaces_.size(); ++r) sum.workspaces[r] = workspaces_[r].get();
  ops_.peer_sum(sum, stream);
}

void PeerSums::End() {
  std::atomic_ref(*reinterpret_cast<uint32_t*>(ended_.get())).store(1, std::memory_order_release);
}

}  // namespace baton::collective
