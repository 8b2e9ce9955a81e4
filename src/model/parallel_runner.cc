#include "baton/model/parallel_runner.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <utility>

#include "announced_layers.h"
#include "baton/base/check.h"
#include "rank_threads.h"
#include "record_sizes.h"

namespace baton::model {
namespace {

class Runner final : public ParallelRunner {
 public:
  Runner(const std::vector<RankRunner::Parts>& parts,
         std::vector<std::unique_ptr<RankRunner>> ranks)
      : first_rank_(parts.front().communicator->rank()),
        ranks_(std::move(ranks)),
        results_(ranks_.size()),
        threads_(Size(),
                 [parts](int32_t rank) { parts[static_cast<size_t>(rank)].memory.MakeCurrent(); }) {
    for (Step& step : steps_) step.written = std::vector<std::atomic<size_t>>(ranks_.size());
  }

  const StepLimits& limits() const override { return ranks_.front()->limits(); }
  int32_t block_tokens() const override { return ranks_.front()->block_tokens(); }
  bool asynchronous() const override { return ranks_.front()->asynchronous(); }
  int32_t blocks() const override {
    int32_t blocks = ranks_.front()->blocks();
    for (const auto& rank : ranks_) blocks = std::min(blocks, rank->blocks());
    return blocks;
  }

  Status RecordAndWait(const OnRecorded& on_recorded) override;
  void Begin(const StepInput& input, OnLayers on_layers) override;
  void Draw(std::span<const ops::SampleRow> rows) override { ranks_.front()->Draw(rows); }
  void Poll() override;
  Result<StepOutput> FinishAndWait() override;

 private:
  /// A step that was begun.
  struct Step {
    /// As rank 0 writes them.
    AnnouncedLayers layers;
    /// By rank: how many groups it has written.
    std::vector<std::atomic<size_t>> written;
  };

  int32_t Size() const { return static_cast<int32_t>(ranks_.size()); }
  Step& At(uint64_t step) { return steps_[step % steps_.size()]; }
  RankRunner& Rank(int32_t rank) { return *ranks_[static_cast<size_t>(rank)]; }
  OnLayers NoteWritten(Step& step, int32_t rank);
  void Announce();

  const int32_t first_rank_;
  const std::vector<std::unique_ptr<RankRunner>> ranks_;
  std::array<Step, kMostUnderWay> steps_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  /// By rank: how it finished.
  std::vector<Status> results_;
  RankThreads threads_;
};

StepRunner::OnLayers Runner::NoteWritten(Step& step, int32_t rank) {
  if (!step.layers.wanted()) return {};
  return [this, &step, rank](int32_t begin, int32_t end) {
    if (rank == 0) step.layers.Add(begin, end);
    step.written[static_cast<size_t>(rank)].fetch_add(1, std::memory_order_release);
    if (rank == 0) Announce();
  };
}

Status Runner::RecordAndWait(const OnRecorded& on_recorded) {
  std::vector<RankRunner*> ranks;
  for (const auto& rank : ranks_) ranks.push_back(rank.get());
  return RecordSizesAndWait(
      ranks, [this](const RankThreads::Body& body) { threads_.Run(body); }, on_recorded);
}

void Runner::Begin(const StepInput& input, OnLayers on_layers) {
  BATON_CHECK(begun_ - finished_ < steps_.size());
  Step& step = At(begun_++);
  step.layers.Begin(std::move(on_layers));
  for (auto& written : step.written) written.store(0, std::memory_order_relaxed);
  threads_.Run([&](int32_t rank) { Rank(rank).Begin(input, NoteWritten(step, rank)); });
  Announce();
}

/// Only asynchronous ranks write when they are not called.
void Runner::Poll() {
  if (!asynchronous() || begun_ == finished_) return;
  threads_.Run([&](int32_t rank) { Rank(rank).Poll(); });
  Announce();
}

Result<StepOutput> Runner::FinishAndWait() {
  BATON_CHECK(finished_ < begun_);
  StepOutput output;
  threads_.Run([&](int32_t rank) {
    Result<StepOutput> finished = Rank(rank).FinishAndWait();
    results_[static_cast<size_t>(rank)] = finished.status();
    if (rank == 0 && finished.ok()) output = *finished;
  });
  Announce();
  ++finished_;
  for (int32_t rank = 0; rank < Size(); ++rank) {
    const Status& result = results_[static_cast<size_t>(rank)];
    if (!result.ok()) {
      return Status(result).WithContext("rank " + std::to_string(first_rank_ + rank));
    }
  }
  return output;
}

/// Ranks go through groups and steps in order, so that none of a later step is written by all
/// before those of an earlier one.
void Runner::Announce() {
  for (uint64_t i = finished_; i < begun_; ++i) {
    Step& step = At(i);
    size_t written = step.layers.written();
    for (const auto& each : step.written) {
      written = std::min(written, each.load(std::memory_order_acquire));
    }
    step.layers.AnnounceUpTo(written);
  }
}

}  // namespace

Result<std::unique_ptr<ParallelRunner>> ParallelRunner::Create(
    const std::vector<RankRunner::Parts>& ranks, const StepLimits& limits) {
  std::vector<std::unique_ptr<RankRunner>> runners;
  for (const RankRunner::Parts& parts : ranks) {
    BATON_CHECK(parts.communicator != nullptr &&
                parts.communicator->rank() ==
                    ranks.front().communicator->rank() + static_cast<int32_t>(runners.size()) &&
                parts.model.shard().rank == parts.communicator->rank());
    BATON_ASSIGN_OR_RETURN(auto runner, RankRunner::Create(parts, limits));
    runners.push_back(std::move(runner));
  }
  return std::unique_ptr<ParallelRunner>(std::make_unique<Runner>(ranks, std::move(runners)));
}

}  // namespace baton::model
