#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/http_client.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// A request of a split server leaves a timeline of all three processes.
namespace baton::test {
namespace {

using nlohmann::json;

constexpr int kChunks = 8;
constexpr int kChunkTokens = 32;

/// The spans of a name in the process of a name.
std::vector<json> SpansOf(const json& trace, const std::string& process, const std::string& name) {
  int pid = -1;
  std::vector<json> spans;
  for (const json& event : trace["traceEvents"]) {
    if (event["name"] == "process_name" && event["args"]["name"] == process) pid = event["pid"];
    if (event["ph"] == "X" && event["pid"] == pid && event["name"] == name) spans.push_back(event);
  }
  return spans;
}

class Timeline : public testing::Test {
 protected:
  Timeline()
      : server_({.yaml = "engine: {step_tokens: " + std::to_string(kChunkTokens) +
                         ", running_sequences: 4}\ntelemetry: {trace_folder: '" +
                         folder_.path().string() + "'}\n"}) {}

  /// Runs a prompt of eight chunks and returns its response.
  json Complete(const json& baton) {
    json body{{"max_tokens", 3}, {"ignore_eos", true}, {"temperature", 0}, {"baton", baton}};
    for (int i = 0; i < kChunks * kChunkTokens; ++i) body["prompt"].push_back(5 + i % 90);
    return json::parse(HttpPost(server_.port(), "/v1/completions", body.dump()).body);
  }
  json TraceOf(const json& response) {
    const auto path = folder_.path() / (response["id"].get<std::string>() + "-0.json");
    EXPECT_TRUE(ServedBaton::Until([&] { return std::filesystem::exists(path); },
                                   std::chrono::seconds(20)));
    std::ifstream in(path);
    return json::parse(in);
  }

  testing_support::TemporaryFolder folder_;
  ServedBaton server_;
};

TEST_F(Timeline, ShowsEveryChunkAndEveryByteOfAHandoff) {
  ASSERT_TRUE(server_.WaitReady());

  const json trace = TraceOf(Complete({{"trace", true}}));

  EXPECT_EQ(SpansOf(trace, "router", "first token").size(), 1u);
  EXPECT_EQ(SpansOf(trace, "d0", "wait for commit").size(), 1u);
  EXPECT_EQ(SpansOf(trace, "d0", "decode step").size(), 2u);
  const std::vector<json> chunks = SpansOf(trace, "p0", "chunk");
  ASSERT_EQ(chunks.size(), static_cast<size_t>(kChunks));
  for (int i = 0; i < kChunks; ++i) {
    EXPECT_EQ(chunks[static_cast<size_t>(i)]["args"]["to token"], (i + 1) * kChunkTokens);
  }
  int64_t bytes = 0;
  for (const json& put : SpansOf(trace, "p0", "put")) bytes += put["args"]["bytes"].get<int64_t>();
  EXPECT_GT(bytes, 0);
  EXPECT_EQ(bytes, SpansOf(trace, "d0", "check commit").at(0)["args"]["bytes"]);
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return server_.Metric("baton_traces_total", {R"(outcome="written")"}) == 1; },
      std::chrono::seconds(20)));
}

TEST_F(Timeline, IsThereOnlyForThoseWhoAsk) {
  ASSERT_TRUE(server_.WaitReady());

  const json response = Complete({{"timings", true}});
  TraceOf(Complete({{"trace", true}}));

  for (const char* name : {"reserve_ms", "queue_ms", "prefill_ms", "transfer_ms", "commit_ms",
                           "admission_ms", "ttft_ms", "total_ms"}) {
    EXPECT_TRUE(response["baton"].contains(name)) << name;
  }
  EXPECT_FALSE(
      std::filesystem::exists(folder_.path() / (response["id"].get<std::string>() + "-0.json")));
}

}  // namespace
}  // namespace baton::test
