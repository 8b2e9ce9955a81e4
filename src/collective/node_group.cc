#include <algorithm>
#include <mutex>
#include <utility>

#include "barrier.h"
#include "baton/base/check.h"
#include "baton/collective/communicator.h"

namespace baton::collective {
namespace {

/// Elements that cross at once: few enough to stay in the second-level cache.
constexpr int64_t kPiece = 64 * 1024;

size_t FloatBytes(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

/// What the ranks of this node share. Fields of a rank are written by it before a barrier and read
/// by the others behind it.
struct Shared {
  explicit Shared(NodeGroupParts of)
      : parts(std::move(of)),
        barrier(parts.ranks_per_node),
        x(static_cast<size_t>(parts.ranks_per_node)),
        columns(x.size()),
        sum(kPiece),
        arrived(kPiece) {}

  const NodeGroupParts parts;
  Barrier barrier;
  std::vector<float*> x;
  std::vector<const float*> columns;
  float* gathered = nullptr;
  const std::byte* broadcast = nullptr;
  /// Of the rank that speaks for the node.
  std::vector<float> sum;
  std::vector<float> arrived;

  /// A mutex, since any thread may end the group at any time.
  std::mutex mutex;
  Status ended;
};

/// The first rank of each node speaks for it, over links between node 0 and each other: what all
/// give is added on node 0, in the order of ranks, and the sum sent back.
class NodeCommunicator final : public Communicator {
 public:
  NodeCommunicator(int32_t local, std::shared_ptr<Shared> shared)
      : local_(local), shared_(std::move(shared)) {}

  int32_t rank() const override {
    return shared_->parts.node * shared_->parts.ranks_per_node + local_;
  }
  int32_t ranks() const override { return shared_->parts.nodes * shared_->parts.ranks_per_node; }

  void AllReduce(const AllReduceParams& params, device::Stream& /*stream*/) override {
    BATON_CHECK(params.dtype == DType::kFloat32 && params.count >= 0);
    if (ranks() == 1 || params.count == 0) return;
    shared_->x[static_cast<size_t>(local_)] = static_cast<float*>(params.x);
    if (!shared_->barrier.ArriveAndWait()) return;
    if (speaks()) Speak([&] { return leads() ? AddAll(params.count) : HandIn(params.count); });
    shared_->barrier.ArriveAndWait();
  }

  void Gather(const GatherParams& params, device::Stream& /*stream*/) override {
    if (ranks() == 1 || params.rows == 0) return;
    shared_->columns[static_cast<size_t>(local_)] = params.x;
    if (rank() == 0) shared_->gathered = params.y;
    if (!shared_->barrier.ArriveAndWait()) return;
    if (leads() && !speaks()) {
      for (int64_t t = 0; t < params.rows; ++t) {
        const int64_t columns = Columns(params, rank());
        std::copy_n(params.x + t * columns, columns, At(params, t, rank()));
      }
    }
    if (speaks()) Speak([&] { return leads() ? TakeColumns(params) : SendColumns(params); });
    shared_->barrier.ArriveAndWait();
  }

  void Broadcast(const BroadcastParams& params, device::Stream& /*stream*/) override {
    if (ranks() == 1 || params.bytes == 0) return;
    auto* x = static_cast<std::byte*>(params.x);
    if (speaks()) {
      shared_->broadcast = x;
      const auto bytes = static_cast<size_t>(params.bytes);
      Speak([&]() -> Status {
        if (!leads()) return shared_->parts.links.front()->ReceiveBytes(x, bytes);
        return SendToAll(x, bytes);
      });
    }
    if (!shared_->barrier.ArriveAndWait()) return;
    if (!speaks()) std::copy_n(shared_->broadcast, params.bytes, x);
    shared_->barrier.ArriveAndWait();
  }

  void Abort(Status reason) override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->ended.ok()) shared_->ended = std::move(reason);
    }
    shared_->barrier.Break();
    for (const auto& link : shared_->parts.links) link->Shutdown();
  }

  Status status() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->ended;
  }

 private:
  bool speaks() const { return local_ == 0; }
  bool leads() const { return shared_->parts.node == 0; }

  template <typename Body>
  void Speak(const Body& body) {
    if (Status status = body(); !status.ok()) Abort(std::move(status));
  }

  Status SendToAll(const void* data, size_t bytes) {
    for (const auto& link : shared_->parts.links) {
      BATON_RETURN_IF_ERROR(link->SendBytes(data, bytes));
    }
    return OkStatus();
  }

  /// On node 0, whose own ranks come first.
  Status AddAll(int64_t count) {
    float* const sum = shared_->sum.data();
    float* const arrived = shared_->arrived.data();
    const auto add = [sum](const float* x, int64_t n) {
      for (int64_t i = 0; i < n; ++i) sum[i] += x[i];
    };
    for (int64_t begin = 0; begin < count; begin += kPiece) {
      const int64_t n = std::min(kPiece, count - begin);
      std::copy_n(shared_->x[0] + begin, n, sum);
      for (size_t r = 1; r < shared_->x.size(); ++r) add(shared_->x[r] + begin, n);
      for (const auto& link : shared_->parts.links) {
        for (int32_t r = 0; r < shared_->parts.ranks_per_node; ++r) {
          BATON_RETURN_IF_ERROR(link->ReceiveBytes(arrived, FloatBytes(n)));
          add(arrived, n);
        }
      }
      BATON_RETURN_IF_ERROR(SendToAll(sum, FloatBytes(n)));
      for (float* x : shared_->x) std::copy_n(sum, n, x + begin);
    }
    return OkStatus();
  }

  Status HandIn(int64_t count) {
    nodes::Link& leader = *shared_->parts.links.front();
    for (int64_t begin = 0; begin < count; begin += kPiece) {
      const int64_t n = std::min(kPiece, count - begin);
      for (const float* x : shared_->x) {
        BATON_RETURN_IF_ERROR(leader.SendBytes(x + begin, FloatBytes(n)));
      }
      BATON_RETURN_IF_ERROR(leader.ReceiveBytes(shared_->sum.data(), FloatBytes(n)));
      for (float* x : shared_->x) std::copy_n(shared_->sum.data(), n, x + begin);
    }
    return OkStatus();
  }

  int64_t Columns(const GatherParams& params, int32_t rank) const {
    return PartBegin(params.columns, rank + 1, ranks()) - PartBegin(params.columns, rank, ranks());
  }
  float* At(const GatherParams& params, int64_t row, int32_t rank) const {
    return shared_->gathered + row * params.columns + PartBegin(params.columns, rank, ranks());
  }

  Status TakeColumns(const GatherParams& params) {
    int32_t rank = shared_->parts.ranks_per_node;
    for (const auto& link : shared_->parts.links) {
      for (int32_t r = 0; r < shared_->parts.ranks_per_node; ++r, ++rank) {
        for (int64_t t = 0; t < params.rows; ++t) {
          BATON_RETURN_IF_ERROR(
              link->ReceiveBytes(At(params, t, rank), FloatBytes(Columns(params, rank))));
        }
      }
    }
    return OkStatus();
  }

  Status SendColumns(const GatherParams& params) {
    for (size_t r = 0; r < shared_->columns.size(); ++r) {
      const int64_t columns = Columns(params, rank() + static_cast<int32_t>(r));
      BATON_RETURN_IF_ERROR(shared_->parts.links.front()->SendBytes(
          shared_->columns[r], FloatBytes(params.rows * columns)));
    }
    return OkStatus();
  }

  /// Among those of this node.
  const int32_t local_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace

Group MakeNodeGroup(NodeGroupParts parts) {
  BATON_CHECK(parts.ranks_per_node >= 1 && parts.node >= 0 && parts.node < parts.nodes);
  BATON_CHECK(static_cast<int32_t>(parts.links.size()) == (parts.node == 0 ? parts.nodes - 1 : 1));
  const int32_t ranks = parts.ranks_per_node;
  const auto shared = std::make_shared<Shared>(std::move(parts));
  Group group;
  for (int32_t r = 0; r < ranks; ++r)
    group.push_back(std::make_unique<NodeCommunicator>(r, shared));
  return group;
}

}  // namespace baton::collective
