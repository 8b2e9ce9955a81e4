#include "ratio_plan.h"

#include <cmath>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::router {
namespace {

using api::RoleCounts;
using std::chrono::milliseconds;

/// A model that has seen steps of about an 8B model on a GPU, or of a small one on a core.
struct Machine {
  double step_s;
  double prefill_token_s;
  double attended_s;
  double sequence_s;
  double context_s;
  int64_t step_tokens;
  int64_t kv_tokens;
};
constexpr Machine kGpu{5e-3, 22e-6, 1e-9, 4e-6, 45e-9, 2048, 400'000};
constexpr Machine kCore{10e-3, 2500e-6, 600e-9, 2500e-6, 2000e-9, 512, 65'536};

cost::StepModel Learnt(const Machine& machine) {
  cost::StepModel model;
  uint64_t number = 0;
  const auto learn = [&](const cost::StepShape& shape) {
    const double took = machine.step_s + machine.prefill_token_s * shape.prefill_tokens +
                        machine.attended_s * shape.prefill_attended +
                        machine.sequence_s * shape.decode_sequences +
                        machine.context_s * shape.decode_context;
    model.Learn({++number, shape, Duration(std::llround(took * 1e9))});
  };
  for (int round = 0; round < 20; ++round) {
    for (const int64_t tokens : {1, 64, 256, 512}) {
      learn(cost::PrefillShape(0, tokens));
      learn(cost::PrefillShape(4096, 4096 + tokens));
    }
    for (const int64_t sequences : {1, 4, 16, 64}) {
      for (const int64_t context : {64, 512, 8192}) {
        learn({.decode_sequences = sequences, .decode_context = sequences * context});
      }
    }
  }
  return model;
}

struct Mix {
  double least_prompt;
  double most_prompt;
  double least_output;
  double most_output;
  RequestSlo slo;
};
constexpr Mix kChat{64, 1024, 64, 512, {.ttft = milliseconds(250), .tpot = milliseconds(25)}};
constexpr Mix kDocuments{
    4096, 16384, 64, 512, {.ttft = milliseconds(2000), .tpot = milliseconds(15)}};
constexpr Mix kExtracts{8192, 16384, 4, 16, {.ttft = milliseconds(2000), .tpot = milliseconds(15)}};
constexpr Mix kSummaries{
    256, 1024, 32, 64, {.ttft = milliseconds(10000), .tpot = milliseconds(60)}};

std::vector<RequestSample> Draw(const Mix& mix, int count = 128, uint64_t seed = 3) {
  Random random(seed);
  const auto between = [&](double least, double most) {
    return std::llround(least * std::pow(most / least, random.Uniform()));
  };
  std::vector<RequestSample> samples;
  for (int i = 0; i < count; ++i) {
    const int64_t prompt = between(mix.least_prompt, mix.most_prompt);
    samples.push_back({.prefill = cost::PrefillShape(0, prompt),
                       .prompt_tokens = prompt,
                       .output_tokens = between(mix.least_output, mix.most_output),
                       .slo = mix.slo});
  }
  return samples;
}

std::vector<WorkerSpeed> Workers(const cost::StepModel& model, const Machine& machine, int count) {
  return std::vector<WorkerSpeed>(static_cast<size_t>(count), {.steps = &model,
                                                               .step_tokens = machine.step_tokens,
                                                               .running_sequences = 256,
                                                               .kv_tokens = machine.kv_tokens,
                                                               .transfer = milliseconds(3)});
}

struct Row {
  const char* name;
  const Machine& machine;
  Mix mix;
  bool by_cost;
  RoleCounts now;
  RoleCounts best;
};

class BestRatio : public testing::TestWithParam<Row> {};

TEST_P(BestRatio, IsAsInTheTable) {
  const Row& row = GetParam();
  const cost::StepModel model = Learnt(row.machine);
  const RatioPlan plan(Draw(row.mix), Workers(model, row.machine, row.now.total()), row.by_cost);
  const RatioOutlook now = plan.Of(row.now);
  const RatioOutlook best = plan.Best(row.now);
  EXPECT_EQ(best.counts, row.best)
      << api::DescribeCounts(best.counts) << " could serve " << best.capacity_per_s << "/s, "
      << api::DescribeCounts(row.now) << " " << now.capacity_per_s << "/s";
}

constexpr RoleCounts kMixed{.mixed = 4};
constexpr RoleCounts kEven{.prefill = 2, .decode = 2};
constexpr RoleCounts kMostlyDecode{.prefill = 1, .decode = 3};
constexpr RoleCounts kMostlyPrefill{.prefill = 3, .decode = 1};
constexpr RoleCounts kPair{.prefill = 1, .decode = 1};
constexpr Mix kNoWish{kDocuments.least_prompt, kDocuments.most_prompt, 64, 512, {}};

const Row kRows[] = {
    {"ShortChatsWantAllMixed", kGpu, kChat, false, kEven, kMixed},
    {"ByCostShortChatsWantMostlyDecode", kGpu, kChat, true, kEven, kMostlyDecode},
    {"DocumentsWantASplit", kGpu, kDocuments, true, kMixed, kEven},
    {"ExtractsWantMostlyPrefill", kGpu, kExtracts, true, kEven, kMostlyPrefill},
    {"SummariesWantMostlyPrefill", kCore, kSummaries, true, kMixed, kMostlyPrefill},
    {"APairStaysAPairForSummaries", kCore, kSummaries, true, kPair, kPair},
    {"WithoutAWishAllShouldDoAll", kGpu, kNoWish, false, kEven, kMixed},
};
INSTANTIATE_TEST_SUITE_P(Table, BestRatio, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

class RatioPlanTest : public testing::Test {
 protected:
  RatioPlan Plan(const Mix& mix, int workers, bool by_cost = true) const {
    return RatioPlan(Draw(mix), Workers(model_, kGpu, workers), by_cost);
  }
  const cost::StepModel model_ = Learnt(kGpu);
};

/// The simulation of goodput measured 250/s all mixed and 217/s split for four workers.
TEST_F(RatioPlanTest, ForetellsAboutWhatASimulationMeasures) {
  const RatioPlan plan = Plan(kChat, 4);
  EXPECT_NEAR(plan.Of({.mixed = 4}).capacity_per_s, 250, 40);
  EXPECT_NEAR(plan.Of({.prefill = 2, .decode = 2}).capacity_per_s, 217, 40);
}

TEST_F(RatioPlanTest, CountsNothingForRolesThatCannotServe) {
  const RatioPlan plan = Plan(kChat, 4);
  EXPECT_EQ(plan.Of({.prefill = 4}).capacity_per_s, 0);
  EXPECT_EQ(plan.Of({.decode = 4}).capacity_per_s, 0);
}

TEST_F(RatioPlanTest, CountsWhatWorkersDoBesideTheirRoleOnlyByCost) {
  for (const RoleCounts& counts : {kMostlyDecode, kMostlyPrefill}) {
    EXPECT_GT(Plan(kChat, 4).Of(counts).capacity_per_s,
              1.2 * Plan(kChat, 4, false).Of(counts).capacity_per_s)
        << api::DescribeCounts(counts);
  }
}

TEST_F(RatioPlanTest, PromisesMoreOfMoreWorkers) {
  for (const Mix& mix : {kChat, kDocuments}) {
    double last = 0;
    for (int workers = 1; workers <= 16; workers *= 2) {
      const double best = Plan(mix, workers).Best({.mixed = workers}).capacity_per_s;
      EXPECT_GT(best, 1.9 * last);
      last = best;
    }
  }
}

/// What is in the prefix cache is no work.
TEST_F(RatioPlanTest, LooksAtWhatIsLeftToCompute) {
  std::vector<RequestSample> cached = Draw(kDocuments);
  for (RequestSample& request : cached) {
    request.prefill = cost::PrefillShape(request.prompt_tokens - 64, request.prompt_tokens);
  }
  const RatioPlan plan(cached, Workers(model_, kGpu, 4), false);
  const RatioOutlook best = plan.Best({.prefill = 2, .decode = 2});
  EXPECT_GT(best.capacity_per_s, 1.2 * plan.Of({.prefill = 2, .decode = 2}).capacity_per_s);
  EXPECT_GT(best.counts.decode + best.counts.mixed, 3);
}

/// Nobody keeps them, so that they tell no role from another.
TEST_F(RatioPlanTest, TakesWishesThatNoWorkerCouldKeepForNone) {
  Mix hopeless = kDocuments;
  hopeless.slo = {.ttft = milliseconds(1), .tpot = milliseconds(1)};
  Mix none = kDocuments;
  none.slo = {};
  EXPECT_EQ(Plan(hopeless, 4).Of({.mixed = 4}).capacity_per_s,
            Plan(none, 4).Of({.mixed = 4}).capacity_per_s);
}

/// Many samples of one load: no change of the best ratio may promise the margin there.
TEST_F(RatioPlanTest, PromisesLittleMoreOfTheBestRatioForAnotherSampleOfTheSameLoad) {
  for (const Mix& mix : {kChat, kDocuments}) {
    const RoleCounts best = Plan(mix, 4).Best({.mixed = 4}).counts;
    int above = 0;
    for (uint64_t seed = 100; seed < 200; ++seed) {
      const RatioPlan plan(Draw(mix, 128, seed), Workers(model_, kGpu, 4), true);
      const double gain = plan.Best(best).capacity_per_s / plan.Of(best).capacity_per_s;
      if (gain > 1.15) ++above;
    }
    EXPECT_EQ(above, 0);
  }
}

}  // namespace
}  // namespace baton::router
