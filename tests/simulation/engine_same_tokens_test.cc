// The same tokens in whatever company, chunks, memory and place they are computed.
#include <map>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "support/engine_driver.h"
#include "support/engine_pair.h"
#include "support/tiny_model.h"

namespace baton::testing_support {
namespace {

constexpr int32_t kVocabulary = 96;
constexpr int32_t kMostPrompt = 120;
constexpr int32_t kMostNew = 40;
constexpr uint64_t kRequests = 24;

/// The model as one rank or several share it, the requests and their answers, made once.
struct World {
  explicit World(int32_t ranks = 1) {
    WriteTinyModel(folder.path(), {.layers = 3});
    model = *model::Model::Load(folder.path(), {.ranks = ranks});
    for (int32_t rank = 0; rank < ranks; ++rank) {
      late.push_back(std::make_unique<device::LateDevice>(static_cast<uint64_t>(rank) + 1));
      late_models.push_back(*model::Model::Load(
          folder.path(), {.memory = late.back().get(), .rank = rank, .ranks = ranks}));
      if (rank == 0) continue;
      others.push_back(*model::Model::Load(folder.path(), {.rank = rank, .ranks = ranks}));
      other_shards.push_back(others.back().get());
    }
    for (uint64_t seed = 0; seed < kRequests; ++seed) {
      requests.push_back(RandomRequest(seed, kVocabulary, kMostPrompt, kMostNew));
      expected.push_back(ExpectedTokens(*model, requests.back(), DType::kBFloat16, other_shards));
    }
  }
  TemporaryFolder folder;
  std::unique_ptr<model::Model> model;
  /// The same on devices that compute late, by rank.
  std::vector<std::unique_ptr<device::LateDevice>> late;
  std::vector<std::unique_ptr<model::Model>> late_models;
  std::vector<std::unique_ptr<model::Model>> others;
  std::vector<const model::Model*> other_shards;
  std::vector<Request> requests;
  std::vector<std::vector<TokenId>> expected;
};

World& TheWorld(int32_t ranks = 1) {
  static std::map<int32_t, World> worlds;
  return worlds.try_emplace(ranks, ranks).first->second;
}

TEST(SameTokensWorld, HasAnswersThatDifferEnoughToTellMistakes) {
  std::set<std::vector<TokenId>> answers;
  std::set<TokenId> tokens;
  for (const auto& answer : TheWorld().expected) {
    answers.insert(answer);
    tokens.insert(answer.begin(), answer.end());
  }
  EXPECT_GE(answers.size(), kRequests - 4);
  EXPECT_GE(tokens.size(), size_t{kVocabulary} / 2);
}

TEST(SameTokensWorld, HasGrammarsThatBindAnswers) {
  size_t bound = 0;
  size_t biased = 0;
  for (size_t i = 0; i < kRequests; ++i) {
    Request request = TheWorld().requests[i];
    biased += !request.sampling.logit_bias.empty();
    if (std::exchange(request.grammar, "").empty()) continue;
    bound += ExpectedTokens(*TheWorld().model, request) != TheWorld().expected[i];
  }
  EXPECT_GE(bound, kRequests / 6);
  EXPECT_GE(biased, kRequests / 6);
}

struct Setting {
  const char* name;
  DriverOptions options;
  bool preempts = false;
  int32_t ranks = 1;
  /// On a device that computes late.
  bool late = false;
};

/// Steps overlap wherever they can, or never.
DriverOptions Overlapping(DriverOptions options, engine::Overlap overlap) {
  options.engine.overlap = overlap;
  return options;
}
DriverOptions Overlapping(DriverOptions options) {
  return Overlapping(std::move(options), engine::Overlap::kAlways);
}

DriverOptions With(int32_t step_tokens, int32_t running, int32_t blocks, bool prefix_cache = true,
                   int32_t block_tokens = 16, int threads = 1) {
  return {.engine = {.step_tokens = step_tokens,
                     .running_sequences = running,
                     .prefix_cache = prefix_cache},
          .blocks = blocks,
          .block_tokens = block_tokens,
          .threads = threads};
}

/// Decodes of up to so many sequences are recorded and repeated.
DriverOptions Replaying(DriverOptions options, int32_t rows) {
  options.replayed_rows = rows;
  return options;
}

class SameTokens : public testing::TestWithParam<Setting> {};

TEST_P(SameTokens, InOneEngine) {
  World& world = TheWorld(GetParam().ranks);
  DriverOptions options = GetParam().options;
  options.other_shards = world.other_shards;
  if (GetParam().late) {
    options.device = world.late[0].get();
    options.other_shards.clear();
    for (size_t rank = 1; rank < world.late.size(); ++rank) {
      options.other_devices.push_back(world.late[rank].get());
      options.other_shards.push_back(world.late_models[rank].get());
    }
  }
  EngineDriver driver(GetParam().late ? *world.late_models[0] : *world.model, options);
  // Of each device.
  const auto replays = [&] {
    std::vector<uint64_t> each;
    for (const auto& device : world.late) each.push_back(device->replays());
    return each;
  };
  const std::vector<uint64_t> replays_before = replays();
  // Twice, so that the second round meets a warm prefix cache; submitted while others run.
  std::vector<SequenceId> sequences;
  Random random(1);
  for (size_t i = 0; i < 2 * kRequests; ++i) {
    sequences.push_back(driver.Submit(world.requests[i % kRequests]));
    for (uint64_t steps = random.Below(3); steps > 0; --steps) driver.engine().Step();
  }
  driver.RunUntilIdle();
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(driver.log(sequences[i]).tokens, world.expected[i % kRequests]) << "request " << i;
  }
  const auto stats = driver.engine().Stats();
  EXPECT_EQ(stats.preemptions > 0, GetParam().preempts) << stats.preemptions;
  const std::vector<uint64_t> replays_after = replays();
  for (size_t rank = 0; rank < replays_after.size(); ++rank) {
    const uint64_t replayed = replays_after[rank] - replays_before[rank];
    EXPECT_EQ(replayed > 0, options.replayed_rows > 0);
    EXPECT_EQ(replayed, replays_after[0] - replays_before[0]) << "rank " << rank;
  }
  EXPECT_EQ(stats.prefix_hit_tokens > 0, GetParam().options.engine.prefix_cache);
  EXPECT_EQ(driver.counts().used, 0);
  EXPECT_EQ(driver.counts().free + driver.counts().cached, GetParam().options.blocks);
}

INSTANTIATE_TEST_SUITE_P(
    Settings, SameTokens,
    testing::Values(
        Setting{"OneAtATime", With(512, 1, 64)}, Setting{"ManyAtOnce", With(512, 64, 800)},
        Setting{"OddChunks", With(17, 5, 200)}, Setting{"SmallestChunks", With(3, 3, 200)},
        Setting{"NoPrefixCache", With(64, 16, 800, false)},
        Setting{"SmallBlocks", With(64, 16, 800, true, 4)},
        Setting{"ThreeThreads", With(64, 16, 800, true, 16, 3)},
        Setting{"TinyPool", With(40, 8, 12), true},
        Setting{"TinyPoolWithoutPrefixCache", With(40, 8, 12, false), true},
        Setting{"TinyPoolOfSmallBlocks", With(33, 8, 41, true, 4), true},
        Setting{"LateDevice", With(64, 16, 800), false, 1, true},
        Setting{"LateDeviceInOddChunks", With(17, 5, 200), false, 1, true},
        Setting{"LateDeviceWithATinyPool", With(40, 8, 12), true, 1, true},
        Setting{"LateDeviceWithoutOverlap", Overlapping(With(40, 8, 12), engine::Overlap::kNever),
                true, 1, true},
        Setting{"LateDeviceOneAtATime", With(64, 1, 64), false, 1, true},
        Setting{"LateDeviceWithoutPrefixCache", With(40, 8, 12, false), true, 1, true},
        Setting{"LateDeviceThatRepeats", Replaying(With(64, 16, 800), 16), false, 1, true},
        Setting{"LateDeviceThatRepeatsInATinyPool", Replaying(With(40, 8, 41, true, 4), 8), true, 1,
                true},
        Setting{"LateDeviceThatRepeatsSomeWithoutOverlap",
                Replaying(Overlapping(With(64, 16, 800), engine::Overlap::kNever), 5), false, 1,
                true},
        Setting{"OverlapInManyAtOnce", Overlapping(With(512, 64, 800))},
        Setting{"OverlapInSmallestChunks", Overlapping(With(3, 3, 200))},
        Setting{"OverlapInATinyPool", Overlapping(With(33, 8, 41, true, 4)), true},
        Setting{"TwoRanks", With(512, 64, 800), false, 2},
        Setting{"TwoRanksInOddChunks", With(17, 5, 200), false, 2},
        Setting{"TwoRanksOfTwoThreads", With(64, 16, 800, true, 16, 2), false, 2},
        Setting{"TwoRanksWithATinyPool", With(40, 8, 12), true, 2},
        Setting{"MoreRanksThanKvHeads", With(33, 8, 41, true, 4), true, 4},
        Setting{"RanksOnTwoLateDevices", With(64, 16, 800), false, 2, true},
        Setting{"RanksOnTwoLateDevicesWithATinyPool", With(40, 8, 12), true, 2, true},
        Setting{"RanksOnFourLateDevices", With(17, 5, 200), false, 4, true},
        Setting{"TwoRanksThatOverlap", Overlapping(With(64, 16, 800)), false, 2},
        Setting{"TwoRanksThatOverlapInATinyPool", Overlapping(With(33, 8, 41, true, 4)), true, 2},
        Setting{"RanksOnTwoLateDevicesWithoutOverlap",
                Overlapping(With(40, 8, 12), engine::Overlap::kNever), true, 2, true},
        Setting{"RanksOnTwoLateDevicesThatRepeat", Replaying(With(64, 16, 800), 16), false, 2,
                true},
        Setting{"RanksOnTwoLateDevicesThatRepeatInATinyPool",
                Replaying(With(40, 8, 41, true, 4), 8), true, 2, true},
        Setting{"RanksOnTwoLateDevicesThatRepeatSomeWithoutOverlap",
                Replaying(Overlapping(With(64, 16, 800), engine::Overlap::kNever), 5), false, 2,
                true},
        Setting{"RanksOnFourLateDevicesThatRepeat", Replaying(With(17, 5, 200), 5), false, 4,
                true}),
    [](const auto& setting) { return std::string(setting.param.name); });

struct SplitSetting {
  const char* name;
  DriverOptions prefill;
  DriverOptions decode;
  int32_t layer_group = 0;
  bool late = false;
};

class SameTokensSplit : public testing::TestWithParam<SplitSetting> {};

TEST_P(SameTokensSplit, OverTwoEngines) {
  World& world = TheWorld();
  SplitSetting setting = GetParam();
  setting.prefill.engine.layer_group = setting.layer_group;
  if (setting.late) setting.prefill.device = setting.decode.device = world.late[0].get();
  EnginePair pair(setting.late ? *world.late_models[0] : *world.model, setting.prefill,
                  setting.decode, 5);
  std::vector<SequenceId> sequences;
  for (size_t i = 0; i < 2 * kRequests; ++i) {
    sequences.push_back(pair.Submit(world.requests[i % kRequests]));
    pair.Step();
  }
  pair.RunUntilIdle();
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_EQ(pair.decode().log(sequences[i]).tokens, world.expected[i % kRequests]) << i;
  }
  EXPECT_EQ(pair.prefill().counts().used, 0);
  EXPECT_EQ(pair.decode().counts().used, 0);
  EXPECT_EQ(pair.prefill().engine().Stats().generated_tokens + pair.local_prefills(),
            static_cast<int64_t>(2 * kRequests));
}

INSTANTIATE_TEST_SUITE_P(
    Settings, SameTokensSplit,
    testing::Values(
        SplitSetting{"Plenty", With(512, 64, 800), With(512, 64, 800)},
        SplitSetting{"LayerByLayerInChunks", With(19, 6, 200), With(32, 32, 400), 1},
        SplitSetting{"NoPrefixCaches", With(50, 16, 400, false), With(64, 32, 400, false), 2},
        SplitSetting{"SmallBlocksToLarge", With(50, 16, 800, true, 4), With(64, 32, 400, true, 16),
                     2},
        SplitSetting{"LargeBlocksToSmall", With(50, 16, 400, true, 16), With(64, 32, 1600, true, 4),
                     2},
        SplitSetting{"Overlapping", Overlapping(With(19, 6, 200)), Overlapping(With(32, 32, 400)),
                     1},
        SplitSetting{"OverlappingInTinyPools", Overlapping(With(40, 8, 12)),
                     Overlapping(With(40, 8, 16)), 2},
        SplitSetting{"TinyPools", With(40, 8, 12), With(40, 8, 16), 2},
        SplitSetting{"LateDevices", With(50, 16, 400), With(64, 32, 400), 1, true},
        SplitSetting{"LateDevicesWithTinyPools", With(40, 8, 12), With(40, 8, 16), 2, true},
        SplitSetting{"LateDevicesThatRepeat", Replaying(With(19, 6, 200), 6),
                     Replaying(With(32, 32, 400), 20), 2, true},
        SplitSetting{"LateDevicesInChunks", With(19, 6, 200), With(32, 32, 400), 2, true}),
    [](const auto& setting) { return std::string(setting.param.name); });

}  // namespace
}  // namespace baton::testing_support
