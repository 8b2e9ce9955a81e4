#include "baton/loadgen/trace.h"

#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kAzure[] =
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 23:59:59.5000000,374,44\n"
    "2023-11-17 00:00:01.2500000,396,109\n";
constexpr char kMooncake[] =
    R"({"timestamp": 3000, "input_length": 1100, "output_length": 50, "hash_ids": [0, 1, 2]})"
    "\n"
    R"({"timestamp": 4500, "input_length": 600, "output_length": 7, "hash_ids": [0, 3]})"
    "\n";

Result<Trace> Parse(const std::string& text) {
  std::istringstream in(text);
  return ParseTrace(in, "t.csv");
}

Trace Parsed(const std::string& text) {
  auto trace = Parse(text);
  EXPECT_TRUE(trace.ok()) << trace.status();
  return trace.ok() ? *std::move(trace) : Trace{};
}

std::string ErrorOf(const std::string& text) { return Parse(text).status().message(); }

TEST(Trace, OfAzureBeginsAtItsFirstRequestAndCrossesMidnight) {
  const Trace trace = Parsed(kAzure);
  ASSERT_EQ(trace.requests.size(), 2U);
  EXPECT_EQ(trace.requests[0].at, Duration());
  EXPECT_EQ(trace.requests[1].at, milliseconds(1750));
  EXPECT_EQ(trace.requests[1].prompt_tokens, 396);
  EXPECT_EQ(trace.requests[1].output_tokens, 109);
  EXPECT_THAT(trace.requests[1].block_ids, IsEmpty());
}

TEST(Trace, OfMooncakeKnowsItsBlocks) {
  const Trace trace = Parsed(kMooncake);
  ASSERT_EQ(trace.requests.size(), 2U);
  EXPECT_EQ(trace.block_tokens, 512);
  EXPECT_EQ(trace.requests[1].at, milliseconds(1500));
  EXPECT_THAT(trace.requests[0].block_ids, ElementsAre(0, 1, 2));
  EXPECT_EQ(trace.requests[1].prompt_tokens, 600);
}

TEST(Trace, OfMooncakeHasTimesThatWereRoundedSpreadUntilTheNext) {
  std::string lines;
  for (const char* at : {"0", "0", "0", "3000", "3000", "6000", "6000"}) {
    lines += std::string(R"({"timestamp": )") + at +
             R"(, "input_length": 1, "output_length": 1, "hash_ids": [0]})" + "\n";
  }
  std::vector<int64_t> times;
  for (const TraceRequest& request : Parsed(lines).requests) {
    times.push_back(std::chrono::duration_cast<milliseconds>(request.at).count());
  }
  EXPECT_THAT(times, ElementsAre(0, 1000, 2000, 3000, 4500, 6000, 7500));
}

TEST(Trace, MayComeFromWindowsAndEndWithoutALineEnd) {
  const Trace trace = Parsed(
      "\xEF\xBB\xBFTIMESTAMP,ContextTokens,GeneratedTokens\r\n2024-05-10 00:00:00+00:00,5,6\r\n\r\n"
      "2024-05-10 00:00:02.5+00:00,7,8");
  ASSERT_EQ(trace.requests.size(), 2U);
  EXPECT_EQ(trace.requests[1].at, milliseconds(2500));
}

TEST(Trace, IsPutIntoTheOrderOfItsTimes) {
  const Trace trace = Parsed(R"({"timestamp": 20, "input_length": 2, "output_length": 1})"
                             "\n"
                             R"({"timestamp": 10, "input_length": 1, "output_length": 1})");
  EXPECT_EQ(trace.requests.front().prompt_tokens, 1);
  EXPECT_EQ(trace.requests.back().at, milliseconds(10));
}

TEST(Trace, CountsNoTokensAsOne) {
  const Trace trace = Parsed("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 00:00:00,9,0\n");
  EXPECT_EQ(trace.requests.front().output_tokens, 1);
}

TEST(Trace, NamesTheLineThatIsWrong) {
  const std::string azure = kAzure;
  EXPECT_THAT(ErrorOf(azure + "yesterday,1,2\n"),
              AllOf(HasSubstr("t.csv:4: "), HasSubstr("'yesterday'")));
  EXPECT_THAT(ErrorOf(azure + "2023-11-17 00:00:02,x,2\n"),
              AllOf(HasSubstr("t.csv:4: "), HasSubstr("ContextTokens is 'x'")));
  EXPECT_THAT(ErrorOf(azure + "2023-11-17 00:00:02,1\n"), HasSubstr("GeneratedTokens is ''"));
  EXPECT_THAT(ErrorOf(azure + "2023-11-17 00:00:02,1,2,3\n"), HasSubstr("more than three"));
  EXPECT_THAT(ErrorOf(azure + "2023-02-30 00:00:02,1,2\n"), HasSubstr("2023-02-30"));
  const std::string mooncake = kMooncake;
  EXPECT_THAT(ErrorOf(mooncake + "{\"timestamp\": 1}\n"), HasSubstr("t.csv:3: has no \"input_"));
  EXPECT_THAT(ErrorOf(mooncake + "{\"timestamp\": -1}\n"), HasSubstr("\"timestamp\" is -1"));
  EXPECT_THAT(ErrorOf(mooncake + "{oops\n"), HasSubstr("t.csv:3: is neither a JSON object"));
  EXPECT_THAT(ErrorOf("1,2,3\n"), HasSubstr("t.csv:1: is neither"));
  EXPECT_THAT(ErrorOf("\n\n"), HasSubstr("t.csv: holds no request"));
}

TEST(Trace, OfNoFileIsNotFound) {
  EXPECT_EQ(ReadTrace("/nowhere/trace.csv").status().code(), StatusCode::kNotFound);
}

TEST(Trace, HasAMeanRate) {
  EXPECT_DOUBLE_EQ(Parsed(kMooncake).Rate(), 1 / 1.5);
  EXPECT_EQ(Trace{}.Rate(), 0);
}

TEST(ChangedTrace, ScalesTimesAndLengths) {
  const Trace trace = ChangeTrace(Parsed(kMooncake), {.time_scale = 0.5, .length_scale = 0.25});
  EXPECT_EQ(trace.requests[1].at, milliseconds(750));
  EXPECT_EQ(trace.requests[0].prompt_tokens, 275);
  EXPECT_EQ(trace.requests[1].output_tokens, 2);
  EXPECT_EQ(trace.block_tokens, 128);
}

TEST(ChangedTrace, ClipsAfterScaling) {
  const Trace trace =
      ChangeTrace(Parsed(kMooncake),
                  {.length_scale = 0.5, .most_prompt_tokens = 400, .most_output_tokens = 20});
  EXPECT_EQ(trace.requests[0].prompt_tokens, 400);
  EXPECT_EQ(trace.requests[1].prompt_tokens, 300);
  EXPECT_EQ(trace.requests[0].output_tokens, 20);
}

TEST(ChangedTrace, NeverScalesToNothing) {
  const Trace trace = ChangeTrace(Parsed(kMooncake), {.length_scale = 1e-6});
  EXPECT_EQ(trace.requests[0].prompt_tokens, 1);
  EXPECT_EQ(trace.block_tokens, 1);
}

TEST(ChangedTrace, EndsWithItsExtentInScaledTimes) {
  const TraceChanges changes{.time_scale = 2, .extent = {.duration = seconds(3)}};
  EXPECT_EQ(ChangeTrace(Parsed(kMooncake), changes).requests.size(), 1U);
  EXPECT_EQ(ChangeTrace(Parsed(kMooncake), {.extent = {.requests = 1}}).requests.size(), 1U);
}

/// The published traces, where they lie beside the tree.
class PublishedTrace : public testing::Test {
 protected:
  Trace Read(const std::string& name) {
    const auto path = std::filesystem::path(BATON_SOURCE_DIR) / "../shared/data/traces" / name;
    if (!std::filesystem::exists(path)) return {};
    auto trace = ReadTrace(path);
    EXPECT_TRUE(trace.ok()) << trace.status();
    return trace.ok() ? *std::move(trace) : Trace{};
  }
};

TEST_F(PublishedTrace, OfAzureIsReadWhole) {
  const Trace trace = Read("azure_2023_conv.csv");
  if (trace.requests.empty()) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_EQ(trace.requests.size(), 19'366U);
  EXPECT_EQ(trace.requests[0].prompt_tokens, 374);
  EXPECT_NEAR(Seconds(trace.requests[1].at), 4.314579, 1e-9);
}

TEST_F(PublishedTrace, OfMooncakeIsReadWholeWithABlockIdPerBlock) {
  const Trace trace = Read("mooncake_conversation.jsonl");
  if (trace.requests.empty()) GTEST_SKIP() << "there is no such trace beside the tree";
  EXPECT_EQ(trace.requests.size(), 12'031U);
  for (const TraceRequest& request : trace.requests) {
    ASSERT_EQ(static_cast<int64_t>(request.block_ids.size()), (request.prompt_tokens + 511) / 512);
  }
}

}  // namespace
}  // namespace baton::loadgen
