#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/app/bench_flags.h"

namespace baton::app {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

BenchPlan Plan(const BenchFlags& flags) {
  const auto plan = CheckBenchFlags(flags);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : BenchPlan{};
}

std::string ErrorOf(const BenchFlags& flags) { return CheckBenchFlags(flags).status().message(); }

TEST(BenchPlan, OfARateIsAnOpenLoopOfAHundredRequests) {
  const BenchPlan plan = Plan({.rate = 4});
  EXPECT_EQ(plan.loop, LoopKind::kOpen);
  EXPECT_EQ(plan.arrivals.kind, loadgen::ArrivalKind::kPoisson);
  EXPECT_EQ(plan.arrivals.requests_per_s, 4);
  EXPECT_EQ(plan.extent.requests, 100);
  EXPECT_EQ(plan.extent.duration, Duration::max());
}

TEST(BenchPlan, OfADurationHasNoCountUnlessOneIsGiven) {
  const BenchPlan plan = Plan({.rate = 4, .duration_s = 2});
  EXPECT_EQ(plan.extent.requests, loadgen::Extent{}.requests);
  EXPECT_EQ(plan.extent.duration, seconds(2));
  EXPECT_EQ(Plan({.rate = 4, .requests = 7, .duration_s = 2}).extent.requests, 7);
}

TEST(BenchPlan, OfAConcurrencyIsAClosedLoop) {
  EXPECT_EQ(Plan({.concurrency = 8}).loop, LoopKind::kClosed);
}

TEST(BenchPlan, OfATraceKeepsItsTimesAndItsWholeLength) {
  const BenchPlan plan = Plan({.trace = "t"});
  EXPECT_EQ(plan.loop, LoopKind::kTrace);
  EXPECT_EQ(plan.extent.requests, loadgen::Extent{}.requests);
  EXPECT_EQ(Plan({.arrivals = "poisson", .rate = 2, .trace = "t"}).loop, LoopKind::kOpen);
  EXPECT_EQ(Plan({.concurrency = 2, .trace = "t"}).loop, LoopKind::kClosed);
}

TEST(BenchPlan, OfASearchBeginsWithTheRate) {
  const BenchPlan plan =
      Plan({.rate = 6, .slos = {"500:50", "200:20"}, .goodput = true, .goal = 0.95});
  EXPECT_EQ(plan.search.first_rate, 6);
  EXPECT_EQ(plan.search.goal, 0.95);
  ASSERT_EQ(plan.slos.size(), 2U);
  EXPECT_EQ(plan.slos[1].tpot_ms, 20);
  EXPECT_EQ(Plan({.slos = {"1:1"}, .goodput = true}).search.first_rate, 1);
}

TEST(BenchPlan, NamesTheFlagThatIsWrongAndTheFix) {
  const std::vector<std::pair<BenchFlags, std::string>> cases = {
      {{}, "--rate is missing"},
      {{.arrivals = "poisson", .concurrency = 2}, "--arrivals is for an open loop"},
      {{.concurrency = 2, .slos = {"1:1"}, .goodput = true}, "--goodput searches a rate"},
      {{.arrivals = "trace", .rate = 1}, "--arrivals trace needs a trace"},
      {{.arrivals = "gamma", .rate = 1}, "--arrivals gamma needs its burstiness"},
      {{.rate = 1, .cv = 2}, "--cv is for --arrivals gamma"},
      {{.arrivals = "poisson", .trace = "t"}, "--arrivals needs a rate"},
      {{.rate = 1, .time_scale = 2}, "--time-scale is for the times of a trace"},
      {{.rate = 1, .trace = "t", .time_scale = 2}, "--time-scale and a rate"},
      {{.rate = 1, .prompts = "p", .trace = "t"}, "--prompts and --trace"},
      {{.rate = 1, .prompts = "p", .prompt_tokens = "5"}, "--prompt-tokens is for random"},
      {{.output_tokens = "5", .trace = "t"}, "--output-tokens is for other prompts"},
      {{.prefix_tokens = 5, .trace = "t"}, "--prefix-tokens is for random"},
      {{.rate = 1, .max_prompt_tokens = 5}, "--max-prompt-tokens and"},
      {{.rate = 1, .length_scale = 2}, "--length-scale is for a trace's"},
      {{.rate = 1, .goodput = true}, "--goodput needs what to keep"},
      {{.rate = 5, .slos = {"1:1"}, .goodput = true, .max_rate = 2}, "--max-rate is below"},
      {{.rate = 1, .records = true}, "--records go into the JSON"},
      {{.rate = 1, .slos = {"5"}}, "--slo: '5' is no SLO"},
      {{.rate = 1, .prompt_tokens = "x"}, "--prompt-tokens: 'x' is no length"},
      {{.rate = 1, .output_tokens = "x"}, "--output-tokens: 'x' is no length"},
      {{.extra_body = "[]", .rate = 1}, "--extra-body: '[]' is no JSON object"},
  };
  for (const auto& [flags, message] : cases) EXPECT_THAT(ErrorOf(flags), StartsWith(message));
}

TEST(BenchPlan, RefusesHeadersThatWouldBeMoreThanOne) {
  for (const char* header : {"no colon", ": x", "A: b\r\nC: d"}) {
    BenchFlags flags{.rate = 1};
    flags.server.headers = {header};
    EXPECT_THAT(ErrorOf(flags), AllOf(StartsWith("--header"), HasSubstr("'Name: value'")));
  }
}

}  // namespace
}  // namespace baton::app
