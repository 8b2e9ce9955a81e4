#include <algorithm>
#include <array>
#include <mutex>

#include "barrier.h"
#include "baton/base/check.h"
#include "baton/base/units.h"
#include "baton/collective/communicator.h"
#include "baton/device/host_stream.h"

namespace baton::collective {
namespace {

/// Sums of at most so many elements cost less when each rank makes all of them: one wait, not two.
constexpr int64_t kOneShot = 4096;
/// Elements that are summed while they stay in the first-level cache.
constexpr int64_t kTile = 1024;
/// Worth another thread.
constexpr int64_t kGrain = 16 * kTile;

/// What the ranks of a group share. Fields of a rank are written by it before a barrier and read by
/// the others behind it.
struct Shared {
  explicit Shared(int32_t ranks)
      : barrier(ranks), x(static_cast<size_t>(ranks)), copies(static_cast<size_t>(ranks)) {
    for (auto& copy : copies) copy.resize(2 * kOneShot);
  }

  Barrier barrier;
  std::vector<float*> x;
  /// Of each rank: what it adds to small sums, in turns in either half. A half is written again
  /// only behind the barrier of the sum between, which nobody reaches who still reads it.
  std::vector<std::vector<float>> copies;
  float* gathered = nullptr;
  const std::byte* broadcast = nullptr;

  /// A mutex, since any thread may end the group at any time.
  std::mutex mutex;
  Status ended;
};

/// to[i] = the sum of from[r][i], r ascending.
void Sum(const std::vector<float*>& from, int64_t begin, int64_t count, float* to) {
  std::copy_n(from[0] + begin, count, to);
  for (size_t r = 1; r < from.size(); ++r) {
    const float* x = from[r] + begin;
    for (int64_t i = 0; i < count; ++i) to[i] += x[i];
  }
}

class HostCommunicator final : public Communicator {
 public:
  HostCommunicator(int32_t rank, int32_t ranks, std::shared_ptr<Shared> shared)
      : rank_(rank), ranks_(ranks), shared_(std::move(shared)) {}

  int32_t rank() const override { return rank_; }
  int32_t ranks() const override { return ranks_; }

  void AllReduce(const AllReduceParams& params, device::Stream& stream) override {
    BATON_CHECK(params.dtype == DType::kFloat32 && params.count >= 0);
    if (ranks_ == 1 || params.count == 0) return;
    auto* x = static_cast<float*>(params.x);
    params.count <= kOneShot ? SumAll(x, params.count) : SumPart(x, params.count, stream);
  }

  void Gather(const GatherParams& params, device::Stream& /*stream*/) override {
    if (ranks_ == 1 || params.rows == 0) return;
    if (rank_ == 0) shared_->gathered = params.y;
    if (!shared_->barrier.ArriveAndWait()) return;
    if (rank_ != 0) {
      const int64_t begin = PartBegin(params.columns, rank_, ranks_);
      const int64_t columns = PartBegin(params.columns, rank_ + 1, ranks_) - begin;
      for (int64_t t = 0; t < params.rows; ++t) {
        std::copy_n(params.x + t * columns, columns,
                    shared_->gathered + t * params.columns + begin);
      }
    }
    shared_->barrier.ArriveAndWait();
  }

  void Broadcast(const BroadcastParams& params, device::Stream& /*stream*/) override {
    if (ranks_ == 1 || params.bytes == 0) return;
    auto* x = static_cast<std::byte*>(params.x);
    if (rank_ == 0) shared_->broadcast = x;
    if (!shared_->barrier.ArriveAndWait()) return;
    if (rank_ != 0) std::copy_n(shared_->broadcast, params.bytes, x);
    shared_->barrier.ArriveAndWait();
  }

  void Abort(Status reason) override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->ended.ok()) shared_->ended = std::move(reason);
    }
    shared_->barrier.Break();
  }

  Status status() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->ended;
  }

 private:
  float* Copy(size_t rank) const { return shared_->copies[rank].data() + turn_ * kOneShot; }

  void SumAll(float* x, int64_t count) {
    std::copy_n(x, count, Copy(static_cast<size_t>(rank_)));
    if (!shared_->barrier.ArriveAndWait()) return;
    std::copy_n(Copy(0), count, x);
    for (size_t r = 1; r < static_cast<size_t>(ranks_); ++r) {
      const float* other = Copy(r);
      for (int64_t i = 0; i < count; ++i) x[i] += other[i];
    }
    turn_ = 1 - turn_;
  }

  /// Each rank sums a part of the elements and hands it to all.
  void SumPart(float* x, int64_t count, device::Stream& stream) {
    std::vector<float*>& all = shared_->x;
    all[static_cast<size_t>(rank_)] = x;
    if (!shared_->barrier.ArriveAndWait()) return;
    const int64_t first = PartBegin(count, rank_, ranks_);
    const int64_t last = PartBegin(count, rank_ + 1, ranks_);
    device::AsHost(stream).ParallelFor(last - first, kGrain, [&](int64_t begin, int64_t end) {
      std::array<float, kTile> sum;
      for (int64_t i = first + begin; i < first + end; i += kTile) {
        const int64_t n = std::min(kTile, first + end - i);
        Sum(all, i, n, sum.data());
        for (float* to : all) std::copy_n(sum.data(), n, to + i);
      }
    });
    shared_->barrier.ArriveAndWait();
  }

  const int32_t rank_;
  const int32_t ranks_;
  const std::shared_ptr<Shared> shared_;
  int64_t turn_ = 0;
};

}  // namespace

Group MakeHostGroup(int32_t ranks) {
  BATON_CHECK(ranks >= 1);
  const auto shared = std::make_shared<Shared>(ranks);
  Group group;
  for (int32_t r = 0; r < ranks; ++r) {
    group.push_back(std::make_unique<HostCommunicator>(r, ranks, shared));
  }
  return group;
}

}  // namespace baton::collective
