#include <algorithm>
#include <map>
#include <utility>

#include "baton/base/check.h"
#include "support/late_device.h"

namespace baton::device {
namespace {

using collective::AllReduceParams;
using collective::GatherParams;
using collective::PartBegin;

/// What each rank brought to one operation.
struct Round {
  std::vector<std::vector<float>> brought;
  size_t came = 0;
  size_t left = 0;
};

struct Shared {
  explicit Shared(size_t size) : ranks(size), streams(size) {}

  const size_t ranks;
  /// A mutex, since the ranks' streams work on threads of their own.
  std::mutex mutex;
  Status ended;
  std::vector<WorkStream*> streams;
  /// By number.
  std::map<uint64_t, Round> rounds;
};

class LateCommunicator final : public collective::Communicator {
 public:
  LateCommunicator(size_t rank, std::shared_ptr<Shared> shared)
      : rank_(rank), shared_(std::move(shared)) {}

  int32_t rank() const override { return static_cast<int32_t>(rank_); }
  int32_t ranks() const override { return static_cast<int32_t>(shared_->ranks); }

  void AllReduce(const AllReduceParams& params, Stream& stream) override {
    BATON_CHECK(params.dtype == DType::kFloat32);
    if (params.count == 0 || shared_->ranks == 1) return;
    auto* x = static_cast<float*>(params.x);
    const uint64_t round = Bring(x, params.count, stream);
    Take(round, stream, [x](const Round& all) {
      std::copy(all.brought[0].begin(), all.brought[0].end(), x);
      for (size_t r = 1; r < all.brought.size(); ++r) {
        for (size_t i = 0; i < all.brought[r].size(); ++i) x[i] += all.brought[r][i];
      }
    });
  }

  void Gather(const GatherParams& params, Stream& stream) override {
    if (params.rows == 0 || shared_->ranks == 1) return;
    const int64_t columns = Begin(params, rank_ + 1) - Begin(params, rank_);
    const uint64_t round = Bring(params.x, rank_ == 0 ? 0 : params.rows * columns, stream);
    if (rank_ != 0) return;
    Take(round, stream, [this, params](const Round& all) {
      for (size_t r = 1; r < all.brought.size(); ++r) {
        const int64_t begin = Begin(params, r);
        const int64_t count = Begin(params, r + 1) - begin;
        for (int64_t t = 0; t < params.rows; ++t) {
          std::copy_n(all.brought[r].begin() + t * count, count,
                      params.y + t * params.columns + begin);
        }
      }
    });
  }

  void Abort(Status reason) override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->ended.ok()) shared_->ended = std::move(reason);
  }
  Status status() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->ended;
  }

 private:
  int64_t Begin(const GatherParams& params, size_t rank) const {
    return PartBegin(params.columns, static_cast<int32_t>(rank), ranks());
  }

  /// Enqueues that this rank comes to its next round with these values.
  uint64_t Bring(const float* x, int64_t count, Stream& stream) {
    auto& late = dynamic_cast<WorkStream&>(stream);
    const uint64_t round = ++rounds_;
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->streams[rank_] = &late;
    }
    late.Enqueue({[this, x, count, round] {
      const std::lock_guard lock(shared_->mutex);
      Round& all = shared_->rounds[round];
      all.brought.resize(shared_->ranks);
      all.brought[rank_].assign(x, x + count);
      ++all.came;
    }});
    return round;
  }

  /// Enqueues `use` of what all brought to a round.
  template <typename Use>
  void Take(uint64_t round, Stream& stream, const Use& use) {
    dynamic_cast<WorkStream&>(stream).Enqueue(
        {.run =
             [this, round, use] {
               const std::lock_guard lock(shared_->mutex);
               if (shared_->ended.ok()) use(shared_->rounds[round]);
               if (++shared_->rounds[round].left == shared_->ranks) shared_->rounds.erase(round);
             },
         .ready =
             [this, round] {
               const std::lock_guard lock(shared_->mutex);
               return !shared_->ended.ok() || shared_->rounds[round].came == shared_->ranks;
             },
         .help = [this] { Help(); }});
  }

  /// Lets the other ranks' streams go on, as devices do on their own.
  void Help() {
    std::vector<WorkStream*> streams;
    {
      const std::lock_guard lock(shared_->mutex);
      streams = shared_->streams;
    }
    for (size_t r = 0; r < streams.size(); ++r) {
      if (r != rank_ && streams[r] != nullptr) streams[r]->TryToWork();
    }
  }

  const size_t rank_;
  const std::shared_ptr<Shared> shared_;
  uint64_t rounds_ = 0;
};

}  // namespace

collective::Group MakeLateGroup(int32_t ranks) {
  BATON_CHECK(ranks >= 1);
  const auto shared = std::make_shared<Shared>(static_cast<size_t>(ranks));
  collective::Group group;
  for (size_t rank = 0; rank < shared->ranks; ++rank) {
    group.push_back(std::make_unique<LateCommunicator>(rank, shared));
  }
  return group;
}

}  // namespace baton::device
