// Logits and greedy continuations against an implementation that is not ours.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/kernels/cpu_ops.h"
#include "baton/kernels/reference_ops.h"
#include "run_model.h"

namespace baton::model {
namespace {

const std::filesystem::path kRoot = BATON_SOURCE_DIR;

struct Golden {
  std::filesystem::path folder;
  std::vector<TokenId> input_ids;
  std::vector<size_t> positions;
  std::vector<std::vector<float>> logits;
  std::vector<TokenId> greedy_ids;
  /// Served; 0 is the model's.
  int32_t context_tokens = 0;
};

nlohmann::json ReadJson(const std::filesystem::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

Golden ReadGolden(const nlohmann::json& json, const std::string& folder) {
  return {.folder = kRoot / folder,
          .input_ids = json["input_ids"],
          .positions = json["positions"],
          .logits = json["logits"],
          .greedy_ids = json["greedy_ids"],
          .context_tokens = json.value("context_tokens", 0)};
}

std::vector<Golden> ReadGoldens(const std::string& name) {
  const auto json = ReadJson(kRoot / "tests/data/goldens" / name / "golden.json");
  std::vector<Golden> goldens;
  if (!json.contains("prompts")) return {ReadGolden(json, json["model"])};
  for (const auto& prompt : json["prompts"]) goldens.push_back(ReadGolden(prompt, json["model"]));
  return goldens;
}

/// Largest difference over the largest magnitude of the expected row.
double RelativeError(const std::vector<float>& actual, const std::vector<float>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double difference = 0;
  double magnitude = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(double{actual[i]} - expected[i]);
    if (std::isnan(error)) return error;
    difference = std::max(difference, error);
    magnitude = std::max(magnitude, std::abs(double{expected[i]}));
  }
  return difference / magnitude;
}

const ops::Ops& OpsByName(const std::string& name) {
  return name == "reference" ? kernels::ReferenceOps() : kernels::CpuOps();
}

class GoldenLogits : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    goldens_ = ReadGoldens(std::get<0>(GetParam()));
    auto model =
        Model::Load(goldens_.front().folder, {.context_tokens = goldens_.front().context_tokens});
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }
  const ops::Ops& ops() const { return OpsByName(std::get<1>(GetParam())); }

  std::vector<Golden> goldens_;
  std::unique_ptr<Model> model_;
};

TEST_P(GoldenLogits, AreWithinRounding) {
  double largest = 0;
  for (const Golden& golden : goldens_) {
    RunModel run(*model_, ops(), DType::kFloat32);
    const auto logits = run.Run(golden.input_ids);
    for (size_t i = 0; i < golden.positions.size(); ++i) {
      const double error = RelativeError(logits[golden.positions[i]], golden.logits[i]);
      ASSERT_LT(error, 2e-5) << "position " << golden.positions[i];
      largest = std::max(largest, error);
    }
  }
  RecordProperty("largest_relative_error", std::to_string(largest * 1e9) + "e-9");
}

TEST_P(GoldenLogits, AreWithinRoundingWhenRanksShareTheModel) {
  for (const int32_t ranks : {2, 4}) {
    if (!Shard::Of(model_->config(), 0, ranks).ok()) continue;
    for (const Golden& golden : goldens_) {
      RunRanks run(golden.folder, {.context_tokens = golden.context_tokens}, ranks, ops(),
                   DType::kFloat32);
      const auto logits = run.Run(golden.input_ids);
      for (size_t i = 0; i < golden.positions.size(); ++i) {
        ASSERT_LT(RelativeError(logits[golden.positions[i]], golden.logits[i]), 2e-5)
            << ranks << " ranks, position " << golden.positions[i];
      }
    }
  }
}

TEST_P(GoldenLogits, AreTheSameBitsInOddChunksByAnyNumberOfRanks) {
  const Golden& golden = goldens_.front();
  for (const int32_t ranks : {2, 4}) {
    if (!Shard::Of(model_->config(), 0, ranks).ok()) continue;
    const auto run = [&](size_t chunk) {
      return RunRanks(golden.folder, {.context_tokens = golden.context_tokens}, ranks, ops(),
                      DType::kFloat32)
          .Run(golden.input_ids, chunk);
    };
    const auto whole = run(512);
    for (const size_t chunk : {1, 7, 19}) EXPECT_EQ(run(chunk), whole) << ranks << ", " << chunk;
  }
}

TEST_P(GoldenLogits, AreTheSameBitsInOddChunks) {
  const Golden& golden = goldens_.front();
  const auto whole = RunModel(*model_, ops(), DType::kFloat32).Run(golden.input_ids);
  for (const size_t chunk : {1, 7, 19}) {
    EXPECT_EQ(RunModel(*model_, ops(), DType::kFloat32).Run(golden.input_ids, chunk), whole)
        << chunk;
  }
}

TEST_P(GoldenLogits, LeadToTheSameGreedyContinuation) {
  for (const Golden& golden : goldens_) {
    RunModel run(*model_, ops(), DType::kFloat32);
    TokenId next = Argmax(run.Run(golden.input_ids).back());
    std::vector<TokenId> tokens;
    while (tokens.push_back(next), tokens.size() < golden.greedy_ids.size()) {
      next = Argmax(run.Step(std::span(&next, 1)).back());
    }
    EXPECT_EQ(tokens, golden.greedy_ids);
  }
}

TEST_P(GoldenLogits, StayCloseWithABfloat16Cache) {
  const Golden& golden = goldens_.front();
  RunModel run(*model_, ops(), DType::kBFloat16);
  const auto logits = run.Run(golden.input_ids);
  for (size_t i = 0; i < golden.positions.size(); ++i) {
    EXPECT_LT(RelativeError(logits[golden.positions[i]], golden.logits[i]), 3e-2);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, GoldenLogits,
    testing::Combine(testing::Values("mha-tied-fp32", "gqa-untied-bf16", "rope-llama3-fp32",
                                     "gqa-fp16", "head-dim-explicit-bf16", "attention-bias-fp32",
                                     "mistral-window-fp32", "qwen2-fp32", "qwen2-window-bf16",
                                     "qwen3-fp32", "phi3-fp32", "phi3-longrope-fp32",
                                     "phi3-partial-short-fp32", "gemma2-fp32", "gemma3-fp32"),
                     testing::Values("reference", "cpu")));

INSTANTIATE_TEST_SUITE_P(BatonTiny, GoldenLogits,
                         testing::Combine(testing::Values("baton-tiny"), testing::Values("cpu")));

TEST(Stories260K, GivesTheRecordedGreedyTokens) {
  const auto folder = kRoot / "../shared/data/models/stories260K";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  auto model = Model::Load(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  for (const auto& golden : ReadJson(folder / "golden_greedy.json")) {
    RunModel run(**model, kernels::CpuOps(), DType::kFloat32);
    const std::vector<TokenId> expected = golden["output_ids"];
    auto logits = run.Run(golden["prompt_ids"]).back();
    for (const TokenId token : expected) {
      ASSERT_EQ(Argmax(logits), token) << "after \"" << golden["prompt"] << "\"";
      logits = run.Step(std::span(&token, 1)).back();
    }
  }
}

}  // namespace
}  // namespace baton::model
