#include "bench/load_maker.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// A trace of four requests, one second apart, in a file of its own.
class LoadOfATrace : public testing::Test {
 protected:
  LoadOfATrace() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    flags_.trace =
        std::filesystem::path(testing::TempDir()) / (std::string("bench_") + test->name());
    std::ofstream out(flags_.trace);
    for (int i = 0; i < 4; ++i) {
      out << R"({"timestamp": )" << 1000 * i << R"(, "input_length": 100, "output_length": 20})"
          << "\n";
    }
  }
  ~LoadOfATrace() override { std::filesystem::remove(flags_.trace); }

  std::vector<Duration> DueTimes(std::optional<double> rate = std::nullopt) {
    const auto plan = CheckBenchFlags(flags_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    const auto maker = LoadMaker::Make(flags_, *plan);
    EXPECT_TRUE(maker.ok()) << maker.status();
    return std::get<loadgen::OpenLoop>(maker->MakeLoad(1, rate).loop).due;
  }

  BenchFlags flags_;
};

TEST_F(LoadOfATrace, HasItsTimes) {
  EXPECT_THAT(DueTimes(), ElementsAre(milliseconds(0), milliseconds(1000), milliseconds(2000),
                                      milliseconds(3000)));
}

TEST_F(LoadOfATrace, HasItsTimesScaledByAFactor) {
  flags_.time_scale = 0.5;
  flags_.requests = 3;
  EXPECT_THAT(DueTimes(), ElementsAre(milliseconds(0), milliseconds(500), milliseconds(1000)));
}

TEST_F(LoadOfATrace, HasItsTimesScaledToARate) {
  flags_.rate = 10;
  flags_.duration_s = 0.25;
  EXPECT_THAT(DueTimes(), ElementsAre(milliseconds(0), milliseconds(100), milliseconds(200)));
  EXPECT_THAT(DueTimes(100), SizeIs(4));
}

TEST_F(LoadOfATrace, ClipsLengthsAfterScalingThem) {
  flags_.length_scale = 0.5;
  flags_.max_prompt_tokens = 30;
  const auto plan = CheckBenchFlags(flags_);
  const auto maker = LoadMaker::Make(flags_, *plan);
  const loadgen::Prompt prompt = maker->MakePrompts(loadgen::WordList())->Make({1, 0});
  EXPECT_EQ(prompt.prompt_tokens, 30);
  EXPECT_EQ(prompt.output_tokens, 10);
}

TEST_F(LoadOfATrace, HasNoRateWhereAllComesAtOnce) {
  std::ofstream(flags_.trace) << R"({"timestamp": 5, "input_length": 1, "output_length": 1})";
  flags_.rate = 2;
  const auto plan = CheckBenchFlags(flags_);
  EXPECT_THAT(LoadMaker::Make(flags_, *plan).status().message(), HasSubstr("--arrivals poisson"));
}

TEST_F(LoadOfATrace, NamesTheFlagTheFileAndTheLine) {
  std::ofstream(flags_.trace, std::ios::app) << "oops\n";
  const auto plan = CheckBenchFlags(flags_);
  EXPECT_THAT(LoadMaker::Make(flags_, *plan).status().message(),
              testing::StartsWith("--trace: " + flags_.trace + ":5: "));
}

TEST(Load, DrawsOtherTimesInEachRoundAndTheSameForASeed) {
  const BenchFlags flags{.rate = 5};
  const auto plan = CheckBenchFlags(flags);
  const auto maker = LoadMaker::Make(flags, *plan);
  const auto times = [&](uint64_t round) {
    return std::get<loadgen::OpenLoop>(maker->MakeLoad(round, std::nullopt).loop).due;
  };
  EXPECT_EQ(times(1), times(1));
  EXPECT_NE(times(1), times(2));
  EXPECT_THAT(times(1), SizeIs(100));
}

}  // namespace
}  // namespace baton::app
