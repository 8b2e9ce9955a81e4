#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/status.h"
#include "baton/nodes/link.h"

namespace baton::device {
class DeviceMemory;
class Stream;
}  // namespace baton::device
namespace baton::ops {
struct Ops;
}

namespace baton::collective {

/// Where the part of `rank` begins when `count` things are split over `ranks`; that of the rank
/// behind the last is the end. Sizes of parts differ by at most one.
constexpr int64_t PartBegin(int64_t count, int32_t rank, int32_t ranks) {
  return count * rank / ranks;
}

/// x = the sum of x over all ranks.
/// Shapes: x [count]; count and type are the same on all ranks.
/// Types: on the host float32; on CUDA float32 and bfloat16.
/// Accuracy: each element is summed in an order that depends on the number of ranks only, not on
/// count, place or time; all ranks get the same bits.
struct AllReduceParams {
  void* x = nullptr;
  DType dtype = DType::kFloat32;
  int64_t count = 0;
};

/// On rank 0, y = the columns of all ranks side by side: those from PartBegin(columns, rank, ranks)
/// on are rank's. Rank 0 has written its own to y before.
/// Shapes: y [rows, columns], read on rank 0 only; x [rows, columns of this rank], not on rank 0.
struct GatherParams {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
};

/// On all ranks, x = what rank 0 has in x. For few bytes: rank 0 sends them to each of the others.
struct BroadcastParams {
  void* x = nullptr;
  int64_t bytes = 0;
};

/// One rank's end of a group that computes together. Each rank calls the same operations in the
/// same order, on its own thread and stream; an operation is enqueued like any other and may wait
/// for the other ranks when it runs. Nothing allocates.
/// *Threads*: lives on its rank's thread; Abort() and status() are thread-safe.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int32_t rank() const = 0;
  virtual int32_t ranks() const = 0;
  virtual void AllReduce(const AllReduceParams& params, device::Stream& stream) = 0;
  virtual void Gather(const GatherParams& params, device::Stream& stream) = 0;
  virtual void Broadcast(const BroadcastParams& params, device::Stream& stream) = 0;
  /// Ends the whole group, because this rank cannot go on: no operation of any rank waits any more,
  /// and what they give is worthless. The first reason counts.
  virtual void Abort(Status reason) = 0;
  /// Why the group has ended, if it has.
  virtual Status status() const = 0;
};

/// By rank; of several nodes those of this one.
using Group = std::vector<std::unique_ptr<Communicator>>;

/// A group of threads of one process over the host's memory. Their streams are device::HostStream.
/// A thread that waits spins briefly and then sleeps, so that ranks may outnumber cores.
/// REQUIRES: ranks >= 1.
Group MakeHostGroup(int32_t ranks);

struct NodeGroupParts {
  /// Node n has the ranks from n * ranks_per_node on.
  int32_t node = 0;
  int32_t nodes = 1;
  int32_t ranks_per_node = 1;
  /// For nothing else: on node 0 those to the other nodes, in their order, elsewhere the one to
  /// node 0.
  std::vector<std::shared_ptr<nodes::Link>> links;
};

/// This node's part of a group over several processes, on the memory of their hosts. Its sums have
/// the bits of MakeHostGroup's. A link that ends aborts the group, and the end of the group ends
/// the links, so that it ends on all nodes.
Group MakeNodeGroup(NodeGroupParts parts);

struct CudaGroupParts {
  /// By rank: the number of its device, and that device's memory, which outlives the group.
  std::vector<int> devices;
  std::vector<device::DeviceMemory*> memories;
  /// Whose peer_sum makes small sums; null, or without one: NCCL makes all.
  const ops::Ops* ops = nullptr;
  /// What AllReduceParams says of accuracy holds, for more than two ranks at the price of
  /// log2(ranks) of NCCL's operations for one; else it does not.
  bool deterministic = true;
};

/// A group of threads of one process over CUDA devices, a rank each, by NCCL; small sums by a
/// kernel that reads the other devices' memory, where they reach each other's. Each thread's
/// current device is its rank's. Fails with InvalidArgument for a deterministic group whose size is
/// no power of two, with Unavailable as nccl::Load does or when the devices do not connect, and
/// with ResourceExhausted.
Result<Group> MakeNcclGroup(const CudaGroupParts& parts);

/// By what the ranks of several nodes find each other: node 0 makes it, and all make their groups
/// with it. Fails as nccl::Load does.
Result<std::string> MakeNcclIds(int32_t ranks, bool deterministic);

struct NcclNodeParts {
  /// This node's, whose ranks begin at `first_rank`; without `ops`, as its kernels sum within a
  /// node only.
  CudaGroupParts here;
  int32_t first_rank = 0;
  /// Of all nodes.
  int32_t ranks = 1;
  std::string ids;
};

/// This node's part of a group over the CUDA devices of several nodes, each a process; waits for
/// the others. Its sums have the bits of MakeNcclGroup's. Fails as that does. Not run on GPUs yet.
Result<Group> MakeNcclNodeGroup(const NcclNodeParts& parts);

}  // namespace baton::collective
