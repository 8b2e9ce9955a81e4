#include "nccl_group.h"

#include <array>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "baton/base/check.h"
#include "baton/base/logging.h"
#include "baton/device/peer_access.h"
#include "baton/device/stream.h"

namespace baton::collective {
namespace {

using Communicators = std::vector<std::unique_ptr<nccl::Communicator>>;

/// How long an end is waited for that recordings may hold up, before its thread is left to itself.
constexpr auto kAbortPatience = std::chrono::seconds(5);

class NcclCommunicator;

/// Ends communicators, each on a thread of its own: where NCCL's kernels are in recordings (CUDA
/// graphs), the end of a communicator's last rank waits until those are forgotten, and they may be
/// under way, waiting for kernels of another communicator that has to be ended first.
/// *Threads*: thread-safe.
class Aborts {
 public:
  void Begin(std::unique_ptr<nccl::Communicator> communicator) {
    {
      const std::lock_guard lock(state_->mutex);
      ++state_->under_way;
    }
    std::thread([state = state_, ended = std::move(communicator)]() mutable {
      ended->AbortAndWait();
      ended.reset();
      const std::lock_guard lock(state->mutex);
      --state->under_way;
      state->changed.notify_all();
    }).detach();
  }

  /// Waits for those that were begun, within reason.
  void Wait() {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, kAbortPatience, [&] { return state_->under_way == 0; })) {
      BATON_LOG(Warning)
          << "nccl does not end a communicator; it is left to the end of the process";
    }
  }

 private:
  /// Outlives this where a thread is left to itself.
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int under_way = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// What the ranks of a group share.
struct Shared {
  /// A mutex, since any thread may end the group at any time.
  std::mutex mutex;
  Status ended;
  /// By rank; complete before any of them computes.
  std::vector<NcclCommunicator*> ranks;
  /// Makes small sums; may be null.
  std::shared_ptr<PeerSums> peers;
  Aborts aborts;
};

/// What one rank has of NCCL.
struct Ends {
  std::unique_ptr<nccl::Communicator> all;
  /// With rank ^ 1, rank ^ 2, rank ^ 4, ...; none where the order of sums is NCCL's own.
  Communicators pairs;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(int32_t rank, int32_t ranks, Ends ends, std::shared_ptr<Shared> shared)
      : rank_(rank), ranks_(ranks), ends_(std::move(ends)), shared_(std::move(shared)) {}
  ~NcclCommunicator() override {
    Break();
    shared_->aborts.Wait();
  }

  int32_t rank() const override { return rank_; }
  int32_t ranks() const override { return ranks_; }

  /// By pairs, each time with a partner twice as far away: all ranks add the same two numbers, and
  /// a + b has the bits of b + a. What NCCL itself does with more than two ranks adds in an order
  /// that depends on an element's place and on how many there are.
  void AllReduce(const AllReduceParams& params, device::Stream& stream) override {
    if (params.count == 0 || ranks_ == 1) return;
    const auto count = static_cast<uint64_t>(params.count);
    Enqueue([&]() -> Status {
      if (shared_->peers != nullptr && shared_->peers->Takes(params)) {
        shared_->peers->Enqueue(params, rank_, stream);
        return OkStatus();
      }
      for (const auto& pair : ends_.pairs) {
        BATON_RETURN_IF_ERROR(pair->AllReduce(params.x, count, params.dtype, stream.native()));
      }
      if (!ends_.pairs.empty()) return OkStatus();
      return ends_.all->AllReduce(params.x, count, params.dtype, stream.native());
    });
  }

  void Gather(const GatherParams& params, device::Stream& stream) override {
    if (params.rows == 0 || ranks_ == 1) return;
    EnqueueTogether([&]() -> Status {
      for (int64_t t = 0; t < params.rows; ++t) {
        BATON_RETURN_IF_ERROR(rank_ == 0 ? ReceiveRow(t, params, stream)
                                         : SendRow(t, params, stream));
      }
      return OkStatus();
    });
  }

  /// Straight from rank 0 to each, as a ring of hops would cost more than so few bytes do.
  void Broadcast(const BroadcastParams& params, device::Stream& stream) override {
    if (params.bytes == 0 || ranks_ == 1) return;
    const auto bytes = static_cast<uint64_t>(params.bytes);
    EnqueueTogether([&]() -> Status {
      if (rank_ > 0) return ends_.all->Receive(params.x, bytes, 0, stream.native());
      for (int32_t r = 1; r < ranks_; ++r) {
        BATON_RETURN_IF_ERROR(ends_.all->Send(params.x, bytes, r, stream.native()));
      }
      return OkStatus();
    });
  }

  /// Kernels of NCCL that wait for a rank on the device end only so.
  void Abort(Status reason) override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (!shared_->ended.ok()) return;
      shared_->ended = std::move(reason);
    }
    if (shared_->peers != nullptr) shared_->peers->End();
    for (NcclCommunicator* rank : shared_->ranks) rank->Break();
  }

  Status status() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->ended;
  }

 private:
  static uint64_t Bytes(int64_t floats) { return static_cast<uint64_t>(floats) * sizeof(float); }
  int64_t Begin(const GatherParams& params, int32_t rank) const {
    return PartBegin(params.columns, rank, ranks_);
  }

  Status SendRow(int64_t t, const GatherParams& params, device::Stream& stream) {
    const int64_t columns = Begin(params, rank_ + 1) - Begin(params, rank_);
    return ends_.all->Send(params.x + t * columns, Bytes(columns), 0, stream.native());
  }

  Status ReceiveRow(int64_t t, const GatherParams& params, device::Stream& stream) {
    for (int32_t r = 1; r < ranks_; ++r) {
      float* y = params.y + t * params.columns + Begin(params, r);
      const int64_t columns = Begin(params, r + 1) - Begin(params, r);
      BATON_RETURN_IF_ERROR(ends_.all->Receive(y, Bytes(columns), r, stream.native()));
    }
    return OkStatus();
  }

  template <typename Body>
  void Enqueue(const Body& body) {
    Status status;
    {
      const std::lock_guard lock(in_use_);
      if (broken_) return;
      status = body();
    }
    if (!status.ok()) Abort(std::move(status));
  }

  /// Sends and receives of which none waits for another.
  template <typename Body>
  void EnqueueTogether(const Body& body) {
    Enqueue([&]() -> Status {
      BATON_RETURN_IF_ERROR(ends_.all->GroupStart());
      const Status moved = body();
      const Status ended = ends_.all->GroupEnd();
      BATON_RETURN_IF_ERROR(moved);
      return ended;
    });
  }

  void Break() {
    const std::lock_guard lock(in_use_);
    if (std::exchange(broken_, true)) return;
    for (auto& pair : ends_.pairs) shared_->aborts.Begin(std::move(pair));
    if (ends_.all) shared_->aborts.Begin(std::move(ends_.all));
  }

  const int32_t rank_;
  const int32_t ranks_;
  Ends ends_;
  const std::shared_ptr<Shared> shared_;
  /// A mutex, since NCCL takes no abort while another thread enqueues.
  std::mutex in_use_;
  bool broken_ = false;
};

/// A communicator of `rank` and rank ^ 1, rank ^ 2, ... for each rank.
Status ConnectPairs(nccl::Library& library, const std::vector<int>& devices,
                    std::vector<Ends>& ends) {
  for (size_t distance = 1; distance < devices.size(); distance *= 2) {
    for (size_t rank = 0; rank < devices.size(); ++rank) {
      const size_t partner = rank ^ distance;
      if (partner < rank) continue;
      const std::array pair{devices[rank], devices[partner]};
      BATON_ASSIGN_OR_RETURN(Communicators two, library.ConnectAndWait(pair));
      ends[rank].pairs.push_back(std::move(two[0]));
      ends[partner].pairs.push_back(std::move(two[1]));
    }
  }
  return OkStatus();
}

/// Small sums by the devices themselves; null where they do not reach each other.
Result<std::shared_ptr<PeerSums>> MakePeerSums(const CudaGroupParts& parts) {
  if (parts.devices.size() == 1) return std::shared_ptr<PeerSums>();
  if (const Status reached = device::LetReachEachOther(parts.devices); !reached.ok()) {
    BATON_LOG(Warning) << "small sums over ranks go by NCCL too: " << reached.message();
    return std::shared_ptr<PeerSums>();
  }
  return PeerSums::Create(parts);
}

/// Sums by pairs need as many ranks.
Status CheckPairs(int32_t ranks) {
  if (std::has_single_bit(static_cast<uint32_t>(ranks))) return OkStatus();
  return InvalidArgument("on CUDA a tensor parallelism of " + std::to_string(ranks) +
                         " cannot be deterministic; powers of two can");
}

/// Of one communicator of all ranks, and one of each pair.
size_t IdCount(int32_t ranks, bool deterministic) {
  const auto all = static_cast<uint32_t>(ranks);
  return 1 + (deterministic ? ranks / 2 * (std::bit_width(all) - 1) : 0);
}

/// In the order in which all nodes connect.
class Ids {
 public:
  explicit Ids(const std::string& ids) : ids_(ids) {}
  nccl::UniqueId Next() {
    nccl::UniqueId id;
    std::memcpy(id.data(), ids_.data() + taken_++ * id.size(), id.size());
    return id;
  }

 private:
  const std::string& ids_;
  size_t taken_ = 0;
};

/// As ConnectPairs, over nodes: all go through the pairs in one order, so that no two nodes wait
/// for each other in different ones.
Status JoinPairs(nccl::Library& library, const nccl::Ranks& ranks,
                 const std::function<void(int here)>& make_current, Ids& ids,
                 std::vector<Ends>& ends) {
  const auto here = [&](int rank) {
    return rank >= ranks.first && rank < ranks.first + ranks.here;
  };
  for (int distance = 1; distance < ranks.all; distance *= 2) {
    for (int rank = 0; rank < ranks.all; ++rank) {
      const int partner = rank ^ distance;
      if (partner < rank) continue;
      const nccl::UniqueId id = ids.Next();
      std::vector<int> ours;
      for (const int each : {rank, partner}) {
        if (here(each)) ours.push_back(each - ranks.first);
      }
      if (ours.empty()) continue;
      BATON_ASSIGN_OR_RETURN(
          Communicators joined,
          library.JoinAndWait(
              id, {.first = here(rank) ? 0 : 1, .here = static_cast<int>(ours.size()), .all = 2},
              [&](int of) { make_current(ours[static_cast<size_t>(of)]); }));
      for (size_t i = 0; i < ours.size(); ++i) {
        ends[static_cast<size_t>(ours[i])].pairs.push_back(std::move(joined[i]));
      }
    }
  }
  return OkStatus();
}

/// Those of `ranks` that are here.
Group GroupOf(std::vector<Ends> ends, const nccl::Ranks& ranks, std::shared_ptr<PeerSums> peers) {
  const auto shared = std::make_shared<Shared>();
  shared->peers = std::move(peers);
  Group group;
  for (size_t r = 0; r < ends.size(); ++r) {
    auto rank = std::make_unique<NcclCommunicator>(ranks.first + static_cast<int32_t>(r), ranks.all,
                                                   std::move(ends[r]), shared);
    shared->ranks.push_back(rank.get());
    group.push_back(std::move(rank));
  }
  return group;
}

}  // namespace

Result<std::string> MakeNcclIds(int32_t ranks, bool deterministic) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<nccl::Library> library, nccl::Load());
  return MakeNcclIdsOf(*library, ranks, deterministic);
}

Result<Group> MakeNcclNodeGroup(const NcclNodeParts& parts) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<nccl::Library> library, nccl::Load());
  return MakeNcclNodeGroupOf(library, parts);
}

Result<Group> MakeNcclGroup(const CudaGroupParts& parts) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<nccl::Library> library, nccl::Load());
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<PeerSums> peers, MakePeerSums(parts));
  return MakeNcclGroupOf(library, parts, std::move(peers));
}

Result<Group> MakeNcclGroupOf(const std::shared_ptr<nccl::Library>& library,
                              const CudaGroupParts& parts, std::shared_ptr<PeerSums> peers) {
  const std::vector<int>& devices = parts.devices;
  BATON_CHECK(!devices.empty());
  if (parts.deterministic) BATON_RETURN_IF_ERROR(CheckPairs(static_cast<int32_t>(devices.size())));
  BATON_ASSIGN_OR_RETURN(Communicators all, library->ConnectAndWait(devices));
  std::vector<Ends> ends(devices.size());
  for (size_t r = 0; r < devices.size(); ++r) ends[r].all = std::move(all[r]);
  if (parts.deterministic) BATON_RETURN_IF_ERROR(ConnectPairs(*library, devices, ends));
  return GroupOf(std::move(ends), {.all = static_cast<int>(devices.size())}, std::move(peers));
}

Result<std::string> MakeNcclIdsOf(nccl::Library& library, int32_t ranks, bool deterministic) {
  if (deterministic) BATON_RETURN_IF_ERROR(CheckPairs(ranks));
  std::string ids;
  for (size_t i = 0; i < IdCount(ranks, deterministic); ++i) {
    BATON_ASSIGN_OR_RETURN(const nccl::UniqueId id, library.MakeUniqueId());
    ids.append(id.data(), id.size());
  }
  return ids;
}

Result<Group> MakeNcclNodeGroupOf(const std::shared_ptr<nccl::Library>& library,
                                  const NcclNodeParts& parts) {
  const bool deterministic = parts.here.deterministic;
  if (deterministic) BATON_RETURN_IF_ERROR(CheckPairs(parts.ranks));
  if (parts.ids.size() != IdCount(parts.ranks, deterministic) * sizeof(nccl::UniqueId)) {
    return InvalidArgument("node 0 made other communicators than this node");
  }
  const nccl::Ranks ranks{.first = parts.first_rank,
                          .here = static_cast<int>(parts.here.memories.size()),
                          .all = parts.ranks};
  Ids ids(parts.ids);
  const auto make_current = [&](int here) {
    parts.here.memories[static_cast<size_t>(here)]->MakeCurrent();
  };
  BATON_ASSIGN_OR_RETURN(Communicators all, library->JoinAndWait(ids.Next(), ranks, make_current));
  std::vector<Ends> ends(all.size());
  for (size_t r = 0; r < ends.size(); ++r) ends[r].all = std::move(all[r]);
  if (deterministic) BATON_RETURN_IF_ERROR(JoinPairs(*library, ranks, make_current, ids, ends));
  return GroupOf(std::move(ends), ranks, nullptr);
}

}  // namespace baton::collective
