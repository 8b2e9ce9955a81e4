#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "baton/loadgen/trace.h"
#include "goodput.h"
#include "machines.h"

namespace baton::simulation {
namespace {

using loadgen::Trace;
using loadgen::TraceChanges;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// What users once asked for, in lengths, where the published traces lie beside the tree.
std::optional<Load> LoadOf(const std::string& name, const TraceChanges& changes, RequestSlo slo) {
  const auto path = std::filesystem::path(BATON_SOURCE_DIR) / "../shared/data/traces" / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  auto read = loadgen::ReadTrace(path);
  EXPECT_TRUE(read.ok()) << read.status();
  if (!read.ok()) return std::nullopt;
  const Trace trace = loadgen::ChangeTrace(*std::move(read), changes);
  return Load{slo, [trace](Random& random) {
                const auto count = static_cast<double>(trace.requests.size());
                const auto& request = trace.requests[static_cast<size_t>(random.Uniform() * count)];
                return Lengths{request.prompt_tokens, request.output_tokens};
              }};
}

/// What `cost` reaches on as many prefill as decode workers, over the best of what always splits
/// and mixed workers.
double CostOverBestOf(const std::string& name, const Machine& machine, const Load& load, int half) {
  const double mixed = Goodput({.policy = "least_loaded", .mixed = 2 * half}, machine, load);
  const double split =
      Goodput({.policy = "least_loaded", .prefill = half, .decode = half}, machine, load);
  const double cost = Goodput({.policy = "cost", .prefill = half, .decode = half}, machine, load);
  std::printf("goodput of %s: mixed %.3f/s, split %.3f/s, cost %.3f/s\n", name.c_str(), mixed,
              split, cost);
  return cost / std::max(mixed, split);
}

const TraceChanges kAsSmallAsTheCores{
    .length_scale = 0.4, .most_prompt_tokens = 1800, .most_output_tokens = 200};
constexpr const char* kAzure = "azure_2023_conv.csv";
constexpr const char* kMooncake = "mooncake_conversation.jsonl";

RequestSlo Slo(Duration ttft, Duration tpot) { return {.ttft = ttft, .tpot = tpot}; }

// The bounds leave a few percent to what is seen, of which a search tells two.

TEST(TraceGoodput, OfAzureOnTwoCoresIsThatOfTheBestFixedSetting) {
  const auto load = LoadOf(kAzure, kAsSmallAsTheCores, Slo(seconds(12), milliseconds(60)));
  if (!load) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_GE(CostOverBestOf("Azure's trace on two cores", kCore, *load, 1), 1.2);
}

TEST(TraceGoodput, OfAzureForATinyModelIsThatOfTheBestFixedSetting) {
  const auto load = LoadOf(kAzure, kAsSmallAsTheCores, Slo(milliseconds(250), microseconds(600)));
  if (!load) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_GE(CostOverBestOf("Azure's trace for a tiny model", kTinyOnCore, *load, 1), 0.97);
}

TEST(TraceGoodput, OfAzureOnFourGpusIsThatOfTheBestFixedSetting) {
  const auto load = LoadOf(kAzure, {}, Slo(seconds(1), milliseconds(25)));
  if (!load) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_GE(CostOverBestOf("Azure's trace on four GPUs", kGpu, *load, 2), 1.15);
}

/// Its prompts share much, which nothing here caches.
TEST(TraceGoodput, OfMooncakeOnFourGpusIsThatOfTheBestFixedSetting) {
  const auto load = LoadOf(kMooncake, {}, Slo(seconds(10), milliseconds(25)));
  if (!load) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_GE(CostOverBestOf("Mooncake's trace on four GPUs", kGpu, *load, 2), 0.97);
}

}  // namespace
}  // namespace baton::simulation
