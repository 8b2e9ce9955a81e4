// What rounding the weights to eight bits does to the bundled model.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/kernels/cpu_ops.h"
#include "run_model.h"

namespace baton::model {
namespace {

const std::filesystem::path kRoot = BATON_SOURCE_DIR;

std::vector<std::vector<TokenId>> ReadTexts() {
  std::ifstream file(kRoot / "tests/data/goldens/baton-tiny/golden.json");
  std::vector<std::vector<TokenId>> texts;
  const auto golden = nlohmann::json::parse(file);
  for (const auto& prompt : golden["prompts"]) {
    texts.push_back(prompt["input_ids"]);
    const std::vector<TokenId> continued = prompt["greedy_ids"];
    texts.back().insert(texts.back().end(), continued.begin(), continued.end());
  }
  return texts;
}

double LogProbability(const std::vector<float>& logits, TokenId token) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  return logits[static_cast<size_t>(token)] - std::log(sum);
}

class Int8Weights : public testing::Test {
 protected:
  static std::unique_ptr<Model> Load(ops::Packing packing) {
    return *Model::Load(kRoot / "configs/models/baton-tiny",
                        {.ops = &kernels::CpuOps(), .packing = packing});
  }

  const std::unique_ptr<Model> exact_ = Load(ops::Packing::kExact);
  const std::unique_ptr<Model> rounded_ = Load(ops::Packing::kInt8);
};

TEST_F(Int8Weights, KeepLogitsAndPerplexityOfTheBundledModel) {
  double exact_log = 0, rounded_log = 0, squares = 0, errors = 0;
  int64_t tokens = 0;
  for (const std::vector<TokenId>& text : ReadTexts()) {
    const auto exact = RunModel(*exact_, kernels::CpuOps(), DType::kBFloat16).Run(text);
    const auto rounded = RunModel(*rounded_, kernels::CpuOps(), DType::kBFloat16).Run(text);
    for (size_t i = 0; i + 1 < text.size(); ++i, ++tokens) {
      exact_log += LogProbability(exact[i], text[i + 1]);
      rounded_log += LogProbability(rounded[i], text[i + 1]);
      for (size_t v = 0; v < exact[i].size(); ++v) {
        squares += std::pow(exact[i][v], 2);
        errors += std::pow(rounded[i][v] - exact[i][v], 2);
      }
    }
  }
  const auto count = static_cast<double>(tokens);
  const double before = std::exp(-exact_log / count);
  const double after = std::exp(-rounded_log / count);
  const double error = std::sqrt(errors / squares);
  std::cout << "perplexity " << before << " becomes " << after << " over " << tokens
            << " tokens; logits are off by " << 100 * error << " % (root mean square)\n";
  EXPECT_GT(tokens, 100);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.02);
  EXPECT_NEAR(after / before, 1, 0.01);
}

TEST_F(Int8Weights, GiveTheSameBitsInAnyChunksAndOnAnyNumberOfThreads) {
  const std::vector<TokenId> text = ReadTexts().front();
  const auto expected = RunModel(*rounded_, kernels::CpuOps(), DType::kBFloat16).Run(text);
  for (const size_t chunk : {1, 5, 17}) {
    RunModel run(*rounded_, kernels::CpuOps(), DType::kBFloat16, 1 + static_cast<int>(chunk % 3));
    EXPECT_EQ(run.Run(text, chunk), expected) << "chunks of " << chunk;
  }
}

TEST_F(Int8Weights, AreTakenForAnotherModel) {
  EXPECT_NE(exact_->fingerprint(), rounded_->fingerprint());
}

}  // namespace
}  // namespace baton::model
