// Whatever ends a request and whenever: no block is lost, and nobody else's tokens change.
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "support/engine_driver.h"
#include "support/engine_pair.h"
#include "support/tiny_model.h"

namespace baton::testing_support {
namespace {

class EngineAbort : public testing::Test {
 protected:
  EngineAbort() {
    WriteTinyModel(folder_.path(), {.hidden = 16, .intermediate = 16, .vocabulary = 40});
    model_ = *model::Model::Load(folder_.path());
    for (uint64_t seed = 0; seed < kRequests; ++seed) {
      requests_.push_back(RandomRequest(seed, 40, 70, 20));
      expected_.push_back(ExpectedTokens(*model_, requests_.back()));
    }
  }

  /// OK when `tokens` are what request `i` gives, or a beginning of it if it was ended.
  static testing::AssertionResult Agree(const std::vector<TokenId>& tokens,
                                        const std::vector<TokenId>& expected, bool ended_early) {
    const bool begins = tokens.size() <= expected.size() &&
                        std::equal(tokens.begin(), tokens.end(), expected.begin());
    if (begins && (ended_early || tokens.size() == expected.size())) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << testing::PrintToString(tokens) << " is not " << testing::PrintToString(expected);
  }

  static engine::Overlap OverlapOf(uint64_t seed) {
    return seed % 2 == 0 ? engine::Overlap::kNever : engine::Overlap::kAlways;
  }

  static void ExpectAllReturned(EngineDriver& driver, int32_t blocks) {
    const kv::BlockCounts& counts = driver.counts();
    EXPECT_EQ(counts.used, 0);
    EXPECT_EQ(counts.quarantined, 0);
    EXPECT_EQ(counts.free + counts.cached, blocks);
    const auto stats = driver.engine().Stats();
    EXPECT_EQ(stats.running + stats.waiting, 0);
  }

  static constexpr uint64_t kRequests = 16;
  TemporaryFolder folder_;
  std::unique_ptr<model::Model> model_;
  std::vector<Request> requests_;
  std::vector<std::vector<TokenId>> expected_;
};

TEST_F(EngineAbort, RandomCancelsReturnEveryBlockOfOneEngine) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const DriverOptions options{
        .engine = {.step_tokens = 8 + static_cast<int32_t>(random.Below(40)),
                   .running_sequences = 1 + static_cast<int32_t>(random.Below(8)),
                   .prefix_cache = random.Below(2) == 0,
                   .overlap = OverlapOf(seed)},
        .blocks = 12 + static_cast<int32_t>(random.Below(20)),
        .block_tokens = 8};
    EngineDriver driver(*model_, options);
    std::vector<bool> cancelled(kRequests);
    std::vector<SequenceId> sequences;
    for (uint64_t i = 0; i < kRequests; ++i) {
      sequences.push_back(driver.Submit(requests_[i]));
      for (uint64_t n = random.Below(3); n > 0; --n) driver.engine().Step();
      if (const uint64_t victim = random.Below(2 * kRequests); victim < sequences.size()) {
        driver.engine().Cancel(sequences[victim]);
        cancelled[victim] = true;
      }
    }
    driver.RunUntilIdle();
    for (uint64_t i = 0; i < kRequests; ++i) {
      EXPECT_TRUE(Agree(driver.log(sequences[i]).tokens, expected_[i], cancelled[i])) << i;
    }
    ExpectAllReturned(driver, options.blocks);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(EngineAbort, RandomCancelsAndBreaksReturnEveryBlockOfBothSides) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto options = [&] {
      return DriverOptions{
          .engine = {.step_tokens = 8 + static_cast<int32_t>(random.Below(40)),
                     .running_sequences = 1 + static_cast<int32_t>(random.Below(8)),
                     .layer_group = static_cast<int32_t>(random.Below(3)),
                     .prefix_cache = random.Below(2) == 0,
                     .overlap = OverlapOf(seed)},
          .blocks = 12 + static_cast<int32_t>(random.Below(20)),
          .block_tokens = 8};
    };
    const DriverOptions prefill = options();
    const DriverOptions decode = options();
    EnginePair pair(*model_, prefill, decode, seed);
    std::vector<bool> ended(kRequests);
    std::vector<SequenceId> sequences;
    const int32_t local = random.Below(2) == 0 ? -1 : 10;
    for (uint64_t i = 0; i < kRequests; ++i) {
      sequences.push_back(pair.Submit(requests_[i], local));
      for (uint64_t n = random.Below(6); n > 0; --n) pair.Step();
      const uint64_t victim = random.Below(2 * kRequests);
      if (victim >= sequences.size()) continue;
      ended[victim] = true;
      random.Below(2) == 0 ? pair.Cancel(sequences[victim]) : pair.Break(sequences[victim]);
    }
    pair.RunUntilIdle();
    for (uint64_t i = 0; i < kRequests; ++i) {
      EXPECT_TRUE(Agree(pair.decode().log(sequences[i]).tokens, expected_[i], ended[i])) << i;
    }
    ExpectAllReturned(pair.prefill(), prefill.blocks);
    ExpectAllReturned(pair.decode(), decode.blocks);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace baton::testing_support
