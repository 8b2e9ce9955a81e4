#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "gpu_loads.h"
#include "machines.h"

/// Roles that follow the load.
namespace baton::simulation {
namespace {

using std::chrono::seconds;

Setting Fixed(int prefill, int decode, int mixed) {
  return {.policy = "cost", .prefill = prefill, .decode = decode, .mixed = mixed};
}

Setting Auto(int prefill, int decode, int mixed, Duration dwell) {
  Setting setting = Fixed(prefill, decode, mixed);
  setting.ratio_dwell = dwell;
  return setting;
}

Phase For(const Load& load, double rate, double lasts_s, double warm_up_s) {
  return {.load = &load,
          .rate = rate,
          .requests = static_cast<int>(rate * lasts_s),
          .warm_up = static_cast<int>(rate * warm_up_s)};
}

void Print(const char* name, const Course& course) {
  std::printf("%-10s", name);
  for (size_t i = 0; i < course.kept.size(); ++i) {
    std::printf("  %.3f (%s)", course.kept[i], api::DescribeCounts(course.roles[i]).c_str());
  }
  std::printf("  %d changes of %d roles\n", course.ratio_changes, course.role_changes);
}

TEST(AutoRatio, KeepsMoreThanAnyFixedRatioWhereTheLoadChanges) {
  const std::vector<Phase> phases{For(kGpuDocumentsLoad, 8, 100, 0),
                                  For(kGpuExtractsLoad, 8, 200, 60), For(kGpuChatLoad, 225, 60, 30),
                                  For(kGpuDocumentsLoad, 8, 200, 60)};
  std::vector<double> best(phases.size(), 0);
  double best_of_worst = 0;
  for (const Setting& setting : {Fixed(0, 0, 4), Fixed(1, 3, 0), Fixed(2, 2, 0), Fixed(3, 1, 0)}) {
    const Course fixed = Serve(setting, kGpu, phases);
    Print("fixed", fixed);
    for (size_t i = 0; i < phases.size(); ++i) best[i] = std::max(best[i], fixed.kept[i]);
    best_of_worst = std::max(best_of_worst, *std::ranges::min_element(fixed.kept));
  }
  const Course adapts = Serve(Auto(2, 2, 0, seconds(20)), kGpu, phases);
  Print("auto", adapts);
  for (size_t i = 0; i < phases.size(); ++i) {
    EXPECT_GE(adapts.kept[i], best[i] - 0.05) << "phase " << i;
  }
  EXPECT_GE(*std::ranges::min_element(adapts.kept), best_of_worst + 0.05);
  EXPECT_LE(adapts.ratio_changes, 3);
}

TEST(AutoRatio, SplitsMixedWorkersWhenLongPromptsCome) {
  const std::vector<Phase> phases{For(kGpuChatLoad, 225, 60, 0),
                                  For(kGpuDocumentsLoad, 8, 200, 60)};
  const Course mixed = Serve(Fixed(0, 0, 4), kGpu, phases);
  const Course adapts = Serve(Auto(0, 0, 4, seconds(20)), kGpu, phases);
  Print("mixed", mixed);
  Print("auto", adapts);
  EXPECT_GE(adapts.kept[0], mixed.kept[0] - 0.02);
  EXPECT_GE(adapts.kept[1], mixed.kept[1] + 0.2);
  EXPECT_EQ(adapts.ratio_changes, 1);
}

/// Half of the work is of either kind, and what comes is noise around that.
TEST(AutoRatio, DoesNotSwingUnderALoadBetweenTwoRatios) {
  for (const double documents : {0.01, 0.02, 0.04}) {
    const Load load{kGpuDocumentsLoad.slo, [documents](Random& random) {
                      return random.Uniform() < documents ? kGpuDocumentsLoad.lengths(random)
                                                          : kGpuChatLoad.lengths(random);
                    }};
    const Course course = Serve(Auto(2, 2, 0, seconds(10)), kGpu, {For(load, 60, 300, 0)});
    Print(std::to_string(documents).c_str(), course);
    EXPECT_LE(course.ratio_changes, 2);
  }
}

}  // namespace
}  // namespace baton::simulation
