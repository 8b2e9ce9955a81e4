#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "gpu_loads.h"

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

TEST(AutoRatio, ComesCloseToTheBestFixedRatioWhateverTheLoadTurnsTo) {
  const std::vector<Phase> phases{For(kGpuChatLoad, 225, 60, 0), For(kGpuDocumentsLoad, 8, 200, 60),
                                  For(kGpuChatLoad, 225, 90, 30)};
  const Course mixed = Serve(Fixed(0, 0, 4), kGpu, phases);
  const Course even = Serve(Fixed(2, 2, 0), kGpu, phases);
  const Course many = Serve(Fixed(3, 1, 0), kGpu, phases);
  const Course adapts = Serve(Auto(0, 0, 4, seconds(20)), kGpu, phases);
  Print("mixed", mixed);
  Print("2:2", even);
  Print("3:1", many);
  Print("auto", adapts);
  for (size_t i = 0; i < phases.size(); ++i) {
    const double best = std::max({mixed.kept[i], even.kept[i], many.kept[i]});
    EXPECT_GE(adapts.kept[i], best - 0.05) << "phase " << i;
  }
  EXPECT_LE(adapts.ratio_changes, 3);
  // Other fixed ratios are good for one of the loads only.
  for (const Course* fixed : {&mixed, &many}) {
    EXPECT_LT(std::min(fixed->kept[0], fixed->kept[1]), 0.9);
  }
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
