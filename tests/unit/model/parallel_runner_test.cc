#include "baton/model/parallel_runner.h"

#include <cmath>
#include <cstring>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kernels/reference_ops.h"
#include "rank_threads.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr StepLimits kLimits{
    .step_tokens = 64, .sequences = 8, .context_tokens = 256, .top_logprobs = 4};
constexpr int32_t kBlocks = 16;

/// A stream whose device can fall sick.
class FragileStream final : public device::Stream {
 public:
  void SynchronizeAndWait() override {}
  Status status() const override { return status_; }
  void FallSick() { status_ = Unavailable("the device has fallen off the bus"); }

 private:
  Status status_;
};

/// Memory of the host that runs out when it is told to.
class ScarceMemory final : public device::DeviceMemory {
 public:
  std::string_view name() const override { return "scarce"; }
  Result<device::Allocation> Allocate(size_t bytes) override {
    if (exhausted) return ResourceExhausted("no memory left");
    return host_.Allocate(bytes);
  }
  Result<int64_t> FreeBytes() override { return host_.FreeBytes(); }
  Result<device::Allocation> AllocatePinned(size_t bytes) override { return Allocate(bytes); }
  Result<std::unique_ptr<device::CopyQueue>> MakeQueue() override { return host_.MakeQueue(); }
  void MakeCurrent() override {}

  bool exhausted = false;

 private:
  device::HostMemory host_;
};

class ParallelRunnerTest : public testing::Test {
 protected:
  struct Rank {
    std::unique_ptr<Model> model;
    std::vector<std::byte> memory;
    std::unique_ptr<kv::KvCache> cache;
    std::unique_ptr<device::Stream> stream;
    ScarceMemory device;
  };

  void Build(int32_t ranks, const ops::Ops& ops = kernels::CpuOps()) {
    testing_support::WriteTinyModel(folder_.path(), {.layers = 5});
    group_ = collective::MakeHostGroup(ranks);
    ranks_ = std::vector<Rank>(static_cast<size_t>(ranks));
    std::vector<RankRunner::Parts> parts;
    for (auto& communicator : group_) {
      Rank& rank = ranks_[parts.size()];
      rank.model = *Model::Load(folder_.path(), {.rank = communicator->rank(), .ranks = ranks});
      const kv::KvGeometry geometry = rank.model->KvGeometry(16, DType::kFloat32);
      rank.memory.assign(static_cast<size_t>(geometry.block_bytes() * kBlocks), std::byte{0xFF});
      rank.cache = std::make_unique<kv::KvCache>(*kv::KvCache::Create(geometry, rank.memory));
      if (&ops == &kernels::CpuOps()) {
        rank.stream = std::make_unique<device::HostStream>(1);
      } else {
        rank.stream = std::make_unique<FragileStream>();
      }
      parts.push_back({.model = *rank.model,
                       .cache = *rank.cache,
                       .ops = ops,
                       .stream = *rank.stream,
                       .memory = rank.device,
                       .communicator = communicator.get()});
    }
    runner_ = *ParallelRunner::Create(parts, kLimits);
  }

  /// Begins a step of one sequence of 20 tokens in blocks 0 and 1.
  void Begin(StepRunner::OnLayers on_layers, int32_t layer_group) {
    runner_->Begin({.tokens = tokens_,
                    .sequences = {.query_begin = query_begin_,
                                  .kv_tokens = &query_begin_[1],
                                  .block_tables = table_,
                                  .table_stride = 2,
                                  .S = 1,
                                  .T = 20},
                    .logit_rows = rows_,
                    .layer_group = layer_group},
                   std::move(on_layers));
  }

  void Draw() {
    const ops::SampleRow greedy{.temperature = 0};
    runner_->Draw({&greedy, 1});
  }

  const std::vector<TokenId> tokens_ = std::vector<TokenId>(20, 7);
  const int32_t query_begin_[2] = {0, 20};
  const int32_t table_[2] = {0, 1};
  const int32_t rows_[1] = {19};
  testing_support::TemporaryFolder folder_;
  collective::Group group_;
  std::vector<Rank> ranks_;
  std::unique_ptr<ParallelRunner> runner_;
};

/// Whether a rank has written K of a position of block 0 in this layer; what was not is NaN.
bool Wrote(const kv::KvCache& cache, int32_t layer) {
  float value = 0;
  std::memcpy(&value, cache.Layer(layer).base, sizeof value);
  return !std::isnan(value);
}

TEST_F(ParallelRunnerTest, ReportsLayersOnceAllRanksHaveWrittenThem) {
  Build(2);
  std::vector<std::pair<int32_t, int32_t>> reports;
  Begin(
      [&](int32_t begin, int32_t end) {
        reports.emplace_back(begin, end);
        for (const Rank& rank : ranks_) {
          for (int32_t layer = begin; layer < end; ++layer) {
            EXPECT_TRUE(Wrote(*rank.cache, layer)) << layer;
          }
        }
      },
      2);
  Draw();
  ASSERT_TRUE(runner_->FinishAndWait().ok());
  EXPECT_THAT(reports, ElementsAre(Pair(0, 2), Pair(2, 4), Pair(4, 5)));
}

TEST_F(ParallelRunnerTest, DrawsTheTokenThatOneRankDraws) {
  std::vector<TokenId> tokens;
  for (const int32_t ranks : {1, 2, 4}) {
    Build(ranks);
    Begin({}, 0);
    Draw();
    const auto output = runner_->FinishAndWait();
    ASSERT_TRUE(output.ok()) << output.status();
    ASSERT_EQ(output->drawn.tokens.size(), 1u);
    tokens.push_back(output->drawn.tokens[0].token);
    runner_.reset();
  }
  EXPECT_THAT(tokens, testing::Each(tokens[0]));
}

TEST_F(ParallelRunnerTest, FailsAsAWorkerWhenTheDeviceOfOneRankIsSick) {
  Build(2, kernels::ReferenceOps());
  Begin({}, 0);
  Draw();
  static_cast<FragileStream&>(*ranks_[1].stream).FallSick();
  const Status first = runner_->FinishAndWait().status();
  EXPECT_THAT(first.message(), HasSubstr("the device has fallen off the bus"));
  EXPECT_EQ(first.blast(), Blast::kWorker);
  Begin({}, 0);
  Draw();
  EXPECT_FALSE(runner_->FinishAndWait().ok());
}

TEST_F(ParallelRunnerTest, DoesNotWaitForARankThatCannotBegin) {
  Build(2);
  ranks_[1].device.exhausted = true;
  const std::vector<int32_t> scored_rows = {3, 4};
  const std::vector<ops::SampleRow> scored(2, {.given = 7, .logprobs = 0});
  runner_->Begin({.tokens = tokens_,
                  .sequences = {.query_begin = query_begin_,
                                .kv_tokens = &query_begin_[1],
                                .block_tables = table_,
                                .table_stride = 2,
                                .S = 1,
                                .T = 20},
                  .scored_rows = scored_rows,
                  .scored = scored},
                 {});
  const Status status = runner_->FinishAndWait().status();
  EXPECT_THAT(status.message(), HasSubstr("no memory left"));
  EXPECT_EQ(status.blast(), Blast::kWorker);
}

TEST(RankThreads, CallEachRankOnItsOwnThreadEachTime) {
  constexpr int32_t kRanks = 4;
  std::vector<std::thread::id> threads(kRanks);
  RankThreads ranks(kRanks, [&](int32_t rank) {
    threads[static_cast<size_t>(rank)] = std::this_thread::get_id();
  });
  threads[0] = std::this_thread::get_id();
  std::vector<int> calls(kRanks);
  for (int round = 0; round < 1000; ++round) {
    ranks.Run([&](int32_t rank) {
      EXPECT_EQ(std::this_thread::get_id(), threads[static_cast<size_t>(rank)]);
      ++calls[static_cast<size_t>(rank)];
    });
  }
  EXPECT_THAT(calls, testing::Each(1000));
}

}  // namespace
}  // namespace baton::model
