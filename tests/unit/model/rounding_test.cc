// What rounding weights, activations or KV does to the bundled model.
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

/// One way of rounding what the bundled model computes with, and what may come of it.
struct Rounding {
  const char* name;
  ops::Packing packing;
  DType kv_dtype;
  double most_error;       ///< Of logits, root mean square, relative.
  double most_perplexity;  ///< How much it may change, relative.

  friend std::ostream& operator<<(std::ostream& out, const Rounding& rounding) {
    return out << rounding.name;
  }
};

std::unique_ptr<Model> Load(ops::Packing packing) {
  return *Model::Load(kRoot / "configs/models/baton-tiny",
                      {.ops = &kernels::CpuOps(), .packing = packing});
}

class Rounded : public testing::TestWithParam<Rounding> {
 protected:
  const std::unique_ptr<Model> exact_ = Load(ops::Packing::kExact);
  const std::unique_ptr<Model> rounded_ = Load(GetParam().packing);
};

TEST_P(Rounded, KeepsLogitsAndPerplexityOfTheBundledModel) {
  double exact_log = 0, rounded_log = 0, squares = 0, errors = 0;
  int64_t tokens = 0;
  for (const std::vector<TokenId>& text : ReadTexts()) {
    const auto exact = RunModel(*exact_, kernels::CpuOps(), DType::kBFloat16).Run(text);
    const auto rounded = RunModel(*rounded_, kernels::CpuOps(), GetParam().kv_dtype).Run(text);
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
  EXPECT_LT(error, GetParam().most_error);
  EXPECT_NEAR(after / before, 1, GetParam().most_perplexity);
}

TEST_P(Rounded, GivesTheSameBitsInAnyChunksAndOnAnyNumberOfThreads) {
  const std::vector<TokenId> text = ReadTexts().front();
  const auto expected = RunModel(*rounded_, kernels::CpuOps(), GetParam().kv_dtype).Run(text);
  for (const size_t chunk : {1, 5, 17}) {
    RunModel run(*rounded_, kernels::CpuOps(), GetParam().kv_dtype,
                 1 + static_cast<int>(chunk % 3));
    EXPECT_EQ(run.Run(text, chunk), expected) << "chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Roundings, Rounded,
    testing::Values(Rounding{"Int8Weights", ops::Packing::kInt8, DType::kBFloat16, 0.02, 0.01},
                    Rounding{"W8A8", ops::Packing::kW8A8, DType::kBFloat16, 0.03, 0.02},
                    Rounding{"W16A16", ops::Packing::kW16A16, DType::kBFloat16, 0.01, 0.005},
                    Rounding{"Int8Kv", ops::Packing::kExact, DType::kInt8, 0.02, 0.01},
                    Rounding{"W8A8WithInt8Kv", ops::Packing::kW8A8, DType::kInt8, 0.04, 0.02}),
    [](const auto& rounding) { return rounding.param.name; });

TEST(RoundedWeights, AreTakenForAnotherModel) {
  const std::string exact = Load(ops::Packing::kExact)->fingerprint();
  const std::string weights = Load(ops::Packing::kInt8)->fingerprint();
  const std::string both = Load(ops::Packing::kW8A8)->fingerprint();
  const std::string sixteen = Load(ops::Packing::kW16A16)->fingerprint();
  EXPECT_NE(exact, weights);
  EXPECT_NE(exact, both);
  EXPECT_NE(weights, both);
  EXPECT_NE(exact, sixteen);
  EXPECT_NE(both, sixteen);
}

TEST(Arithmetic, OfItsOwnMakesAnotherModel) {
  ops::Ops other = kernels::CpuOps();
  other.arithmetic = "other";
  const std::string plain = (*Model::Load(kRoot / "configs/models/baton-tiny"))->fingerprint();
  EXPECT_EQ((*Model::Load(kRoot / "configs/models/baton-tiny", {.ops = &other}))->fingerprint(),
            plain + "-other");
}

}  // namespace
}  // namespace baton::model
