#include <cstring>
#include <map>
#include <utility>

#include "baton/base/check.h"
#include "support/late_device.h"

namespace baton::device {
namespace {

using collective::AllReduceParams;
using collective::BroadcastParams;
using collective::GatherParams;
using collective::PartBegin;

/// What each rank brought to one operation.
struct Round {
  std::vector<std::vector<std::byte>> brought;
  size_t came = 0;
  /// Ranks that have taken it.
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
    const auto count = static_cast<size_t>(params.count);
    Bring(x, count * sizeof(float), stream);
    Take(stream, [x, count](const Round& all) {
      std::vector<float> each(count);
      for (size_t r = 0; r < all.brought.size(); ++r) {
        std::memcpy(each.data(), all.brought[r].data(), count * sizeof(float));
        for (size_t i = 0; i < count; ++i) x[i] = r == 0 ? each[i] : x[i] + each[i];
      }
    });
  }

  void Gather(const GatherParams& params, Stream& stream) override {
    if (params.rows == 0 || shared_->ranks == 1) return;
    const int64_t columns = Begin(params, rank_ + 1) - Begin(params, rank_);
    const int64_t brings = rank_ == 0 ? 0 : params.rows * columns;
    Bring(params.x, static_cast<size_t>(brings) * sizeof(float), stream);
    Take(stream, [this, params](const Round& all) {
      for (size_t r = 1; rank_ == 0 && r < all.brought.size(); ++r) {
        const int64_t begin = Begin(params, r);
        const auto bytes = static_cast<size_t>(Begin(params, r + 1) - begin) * sizeof(float);
        for (int64_t t = 0; t < params.rows; ++t) {
          std::memcpy(params.y + t * params.columns + begin,
                      all.brought[r].data() + static_cast<size_t>(t) * bytes, bytes);
        }
      }
    });
  }

  void Broadcast(const BroadcastParams& params, Stream& stream) override {
    if (params.bytes == 0 || shared_->ranks == 1) return;
    Bring(params.x, rank_ == 0 ? static_cast<size_t>(params.bytes) : 0, stream);
    Take(stream, [params](const Round& all) {
      std::memcpy(params.x, all.brought[0].data(), all.brought[0].size());
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

  /// Enqueues that this rank comes to its next round with these bytes. Rounds are counted when they
  /// come, since what is recorded comes again.
  void Bring(const void* x, size_t bytes, Stream& stream) {
    auto& late = dynamic_cast<WorkStream&>(stream);
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->streams[rank_] = &late;
    }
    late.Enqueue({[this, from = static_cast<const std::byte*>(x), bytes] {
      const std::lock_guard lock(shared_->mutex);
      Round& all = shared_->rounds[++round_];
      all.brought.resize(shared_->ranks);
      all.brought[rank_].assign(from, from + bytes);
      ++all.came;
    }});
  }

  /// Enqueues `use` of what all brought to that round.
  template <typename Use>
  void Take(Stream& stream, const Use& use) {
    dynamic_cast<WorkStream&>(stream).Enqueue(
        {.run =
             [this, use] {
               const std::lock_guard lock(shared_->mutex);
               if (!shared_->ended.ok()) return;
               use(shared_->rounds[round_]);
               if (++shared_->rounds[round_].left == shared_->ranks) shared_->rounds.erase(round_);
             },
         .ready =
             [this] {
               const std::lock_guard lock(shared_->mutex);
               return !shared_->ended.ok() || shared_->rounds[round_].came == shared_->ranks;
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
  /// The last that it came to.
  uint64_t round_ = 0;
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
