#include "baton/loadgen/prompts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

/// Words, each of which is a token here.
int64_t Tokens(const std::string& text) { return std::count(text.begin(), text.end(), ' '); }

/// How many words two texts begin with alike.
int64_t SharedTokens(const std::string& a, const std::string& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const std::string shared(a.begin(), end);
  const bool whole = (end == a.end() || *end == ' ') && (other == b.end() || *other == ' ');
  return Tokens(shared) - (whole ? 0 : 1);
}

const SyntheticOptions kSynthetic{.prompt_tokens = {.first = 40}, .output_tokens = {.first = 9}};

TEST(SyntheticPrompts, HaveTheLengthsAskedFor) {
  const auto prompts = MakeSyntheticPrompts(kSynthetic, WordList());
  const Prompt prompt = prompts->Make({1, 0});
  EXPECT_EQ(prompt.prompt_tokens, 40);
  EXPECT_EQ(prompt.output_tokens, 9);
  EXPECT_EQ(Tokens(prompt.text), 40);
}

TEST(SyntheticPrompts, LeaveRoomForWhatTheServerAdds) {
  const std::vector<int32_t> costs(CommonWords().size(), 1);
  const Prompt prompt = MakeSyntheticPrompts(kSynthetic, WordList(costs, 12))->Make({1, 0});
  EXPECT_EQ(prompt.prompt_tokens, 40);
  EXPECT_EQ(Tokens(prompt.text), 28);
}

TEST(SyntheticPrompts, AreTheSameForTheSamePlaceAndSeedOnly) {
  SyntheticOptions other_seed = kSynthetic;
  other_seed.seed = 1;
  const auto prompts = MakeSyntheticPrompts(kSynthetic, WordList());
  const std::string text = prompts->Make({1, 5}).text;
  EXPECT_EQ(prompts->Make({1, 5}).text, text);
  EXPECT_NE(prompts->Make({1, 6}).text, text);
  EXPECT_NE(prompts->Make({2, 5}).text, text);
  EXPECT_NE(MakeSyntheticPrompts(other_seed, WordList())->Make({1, 5}).text, text);
}

TEST(SyntheticPrompts, BeginWithOneOfTheSharedTextsInEveryRound) {
  SyntheticOptions options = kSynthetic;
  options.prefix_tokens = 25;
  options.prefixes = 3;
  const auto prompts = MakeSyntheticPrompts(options, WordList());
  std::set<std::string> shared;
  for (int64_t i = 0; i < 60; ++i) {
    const Prompt prompt = prompts->Make({static_cast<uint64_t>(i % 2), i});
    EXPECT_EQ(Tokens(prompt.shared), 25);
    EXPECT_EQ(Tokens(prompt.text), 40);
    EXPECT_EQ(prompt.prompt_tokens, 65);
    shared.insert(prompt.shared);
  }
  EXPECT_EQ(shared.size(), 3U);
}

TEST(TextPrompts, TakeEveryLineBeforeOneComesAgain) {
  const auto prompts = MakeTextPrompts({"a", "b", "c", "d"}, kSynthetic);
  std::multiset<std::string> seen;
  for (int64_t i = 0; i < 8; ++i) seen.insert(prompts->Make({1, i}).text);
  EXPECT_THAT(seen, testing::ElementsAre("a", "a", "b", "b", "c", "c", "d", "d"));
}

TEST(TextPrompts, AreLinesOfAFileThatHoldAnything) {
  const auto path = std::filesystem::path(testing::TempDir()) / "baton_prompt_lines.txt";
  std::ofstream(path) << "one\r\n\ntwo";
  const auto lines = ReadPromptLines(path);
  std::ofstream(path, std::ios::trunc) << "\n";
  EXPECT_EQ(ReadPromptLines(path).status().code(), StatusCode::kInvalidArgument);
  std::filesystem::remove(path);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, testing::ElementsAre("one", "two"));
  EXPECT_EQ(ReadPromptLines(path).status().code(), StatusCode::kNotFound);
}

Trace BlockTrace() {
  return {.requests = {{.prompt_tokens = 25, .output_tokens = 3, .block_ids = {0, 1, 2}},
                       {.prompt_tokens = 28, .output_tokens = 4, .block_ids = {0, 1, 3}},
                       {.prompt_tokens = 10, .output_tokens = 5, .block_ids = {7}}},
          .block_tokens = 10};
}

TEST(TracePrompts, HaveTheLengthsOfTheTrace) {
  const auto prompts = MakeTracePrompts(BlockTrace(), 0, WordList());
  EXPECT_EQ(Tokens(prompts->Make({1, 0}).text), 25);
  EXPECT_EQ(Tokens(prompts->Make({1, 1}).text), 28);
  EXPECT_EQ(prompts->Make({1, 2}).output_tokens, 5);
}

TEST(TracePrompts, ShareTheBlocksOfEqualIdsAndNothingElse) {
  const auto prompts = MakeTracePrompts(BlockTrace(), 0, WordList());
  const std::string first = prompts->Make({1, 0}).text;
  // Two whole blocks; the third differs, but may begin with a word in common.
  EXPECT_THAT(SharedTokens(first, prompts->Make({1, 1}).text),
              testing::AllOf(testing::Ge(20), testing::Le(22)));
  EXPECT_LE(SharedTokens(first, prompts->Make({1, 2}).text), 1);
}

TEST(TracePrompts, KeepWhatIsSharedWhenLengthsAreScaled) {
  const Trace trace = ChangeTrace(BlockTrace(), {.length_scale = 2});
  const auto prompts = MakeTracePrompts(trace, 0, WordList());
  const int64_t shared = SharedTokens(prompts->Make({1, 0}).text, prompts->Make({1, 1}).text);
  EXPECT_THAT(shared, testing::AllOf(testing::Ge(40), testing::Le(42)));
}

TEST(TracePrompts, AreNewWhenTheTraceBeginsAnew) {
  const auto prompts = MakeTracePrompts(BlockTrace(), 0, WordList());
  EXPECT_LE(SharedTokens(prompts->Make({1, 0}).text, prompts->Make({1, 3}).text), 1);
  EXPECT_LE(SharedTokens(prompts->Make({1, 0}).text, prompts->Make({2, 0}).text), 1);
  EXPECT_EQ(prompts->Make({1, 3}).prompt_tokens, 25);
}

TEST(TracePrompts, AreWrittenAlsoWhereTheTraceKnowsNoBlocks) {
  const auto prompts = MakeTracePrompts({.requests = {{.prompt_tokens = 33}}}, 0, WordList());
  EXPECT_EQ(Tokens(prompts->Make({1, 0}).text), 33);
}

}  // namespace
}  // namespace baton::loadgen
