#include <algorithm>
#include <map>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/kernels/cpu_ops.h"
#include "run_model.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::ElementsAre;
using testing::Pair;
using Layers = std::vector<std::pair<int32_t, int32_t>>;

class Forward : public testing::Test {
 protected:
  void SetUp() override {
    testing_support::WriteTinyModel(folder_.path(), {.layers = 5});
    auto model = Model::Load(folder_.path());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    Random random(7);
    for (int i = 0; i < 83; ++i) tokens_.push_back(static_cast<TokenId>(random.Below(96)));
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  std::vector<TokenId> tokens_;
};

TEST_F(Forward, GivesTheSameBitsInAnyChunksAndOnAnyNumberOfThreads) {
  RunModel whole(*model_, kernels::CpuOps(), DType::kBFloat16);
  const auto expected = whole.Run(tokens_);
  for (const size_t chunk : {1, 2, 7, 16, 17, 31}) {
    RunModel run(*model_, kernels::CpuOps(), DType::kBFloat16, 1 + static_cast<int>(chunk % 3));
    EXPECT_EQ(run.Run(tokens_, chunk), expected) << "chunks of " << chunk;
  }
}

TEST_F(Forward, GivesTheSameBitsWithPackedWeights) {
  const ops::Ops& ops = kernels::CpuOps();
  // Large enough that pages are given back where the matrices were.
  testing_support::TinyModelOptions options{.hidden = 64, .intermediate = 200, .vocabulary = 600};
  for (const bool tied : {false, true}) {
    options.tied_embeddings = tied;
    testing_support::WriteTinyModel(folder_.path(), options);
    for (const bool random : {false, true}) {
      const auto plain = *Model::Load(folder_.path(), {.random_weights = random});
      const auto packed =
          *Model::Load(folder_.path(), {.ops = &ops, .threads = 2, .random_weights = random});
      ASSERT_EQ(packed->weights().packing(), ops::Packing::kExact);
      EXPECT_EQ(RunModel(*packed, ops, DType::kBFloat16).Run(tokens_),
                RunModel(*plain, ops, DType::kBFloat16).Run(tokens_))
          << "tied " << tied << ", random " << random;
    }
  }
}

TEST_F(Forward, GivesTheSameBitsForSomeRowsAsForAll) {
  RunModel all(*model_, kernels::CpuOps(), DType::kBFloat16);
  const auto expected = all.Run(tokens_);
  RunModel some(*model_, kernels::CpuOps(), DType::kBFloat16);
  const std::vector<int32_t> rows = {0, 5, 40, 82};
  const auto logits = some.Step(tokens_, rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(logits[i], expected[static_cast<size_t>(rows[i])]);
  }
}

TEST_F(Forward, LeavesTheSameKvWhenNoRowIsWanted) {
  RunModel whole(*model_, kernels::CpuOps(), DType::kBFloat16);
  const auto expected = whole.Run(tokens_);
  RunModel run(*model_, kernels::CpuOps(), DType::kBFloat16);
  run.Step(std::span(tokens_).first(50), {});
  EXPECT_EQ(run.Step(std::span(tokens_).subspan(50)).back(), expected.back());
}

TEST_F(Forward, ReportsLayersInGroupsAndTheRestAtTheEnd) {
  RunModel run(*model_, kernels::CpuOps(), DType::kBFloat16);
  Layers reports;
  const auto note = [&](int32_t begin, int32_t end) { reports.emplace_back(begin, end); };
  run.Step(tokens_, {}, note, 2);
  EXPECT_THAT(reports, ElementsAre(Pair(0, 2), Pair(2, 4), Pair(4, 5)));
  reports.clear();
  run.Step(std::span(tokens_).first(1), {}, note, 0);
  EXPECT_THAT(reports, ElementsAre(Pair(0, 5)));
}

TEST_F(Forward, LooksBackOnlyOverTheSlidingWindow) {
  testing_support::TinyModelOptions options{.layers = 1};
  options.config_fields = {{"architectures", "[\"MistralForCausalLM\"]"}, {"sliding_window", "4"}};
  testing_support::WriteTinyModel(folder_.path(), options);
  const auto model = Model::Load(folder_.path());
  ASSERT_TRUE(model.ok()) << model.status();
  auto other = tokens_;
  other[0] = (other[0] + 1) % 96;
  const auto first = RunModel(**model, kernels::CpuOps(), DType::kFloat32).Run(tokens_);
  const auto second = RunModel(**model, kernels::CpuOps(), DType::kFloat32).Run(other);
  EXPECT_NE(first[3], second[3]);
  EXPECT_EQ(first[4], second[4]);
}

/// A product but for its x and y, and for how many rows.
using Product = std::tuple<const void*, const void*, DType, DType, DType, int64_t, int64_t>;
std::map<Product, int64_t> multiplied;

Product KindOf(const ops::LinearParams& p) {
  return {p.w, p.bias, p.x_dtype, p.w_dtype, p.y_dtype, p.N, p.K};
}

void NoteAndMultiply(const ops::LinearParams& params, device::Stream& stream) {
  int64_t& rows = multiplied[KindOf(params)];
  rows = std::max(rows, params.T);
  kernels::CpuOps().linear(params, stream);
}

TEST_F(Forward, MultipliesByWhatItSaysAndByNoMoreRows) {
  ops::Ops ops = kernels::CpuOps();
  ops.linear = NoteAndMultiply;
  multiplied.clear();
  RunModel(*model_, ops, DType::kBFloat16).Run(tokens_);
  const auto products =
      model_->WidestProducts({.step_tokens = 83, .sequences = 83}, ops.activation);
  std::map<Product, int64_t> told;
  for (const ops::LinearParams& product : products) told[KindOf(product)] = product.T;
  EXPECT_EQ(told, multiplied);
}

}  // namespace
}  // namespace baton::model
