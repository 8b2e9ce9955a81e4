#include "scoreboard.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fleet_state.h"

namespace baton::router {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart = TimePoint() + seconds(1000);
const Choice kSplit{.worker = "d0", .prefill = "p0"};

TEST(RecentTimes, GivesQuantilesOfTheWindowAlone) {
  RecentTimes times;
  times.Add(kStart, seconds(9), {});
  const TimePoint later = kStart + RecentTimes::kWindow;
  for (int i = 1; i <= 100; ++i) times.Add(later, milliseconds(i), {});
  const RecentTimes::Figures figures = times.Read(later + seconds(1));
  EXPECT_EQ(figures.count, 100);
  EXPECT_EQ(figures.p50, milliseconds(51));
  EXPECT_EQ(figures.p99, milliseconds(100));
  EXPECT_EQ(times.Read(later + RecentTimes::kWindow + seconds(1)).count, 0);
}

TEST(RecentTimes, CountsWishesApart) {
  RecentTimes times;
  times.Add(kStart, milliseconds(10), {});
  times.Add(kStart, milliseconds(10), milliseconds(10));
  times.Add(kStart, milliseconds(11), milliseconds(10));
  const RecentTimes::Figures figures = times.Read(kStart);
  EXPECT_EQ(figures.wishes, 2);
  EXPECT_EQ(figures.held, 1);
  EXPECT_EQ(figures.wish, milliseconds(10));
}

TEST(RecentTimes, KeepsNoMoreThanItMay) {
  RecentTimes times;
  for (size_t i = 0; i < 2 * RecentTimes::kMost; ++i) times.Add(kStart, milliseconds(1), {});
  EXPECT_EQ(times.Read(kStart).count, int64_t{RecentTimes::kMost});
}

TEST(Scoreboard, CountsHandoffsUnderWayAndDone) {
  Scoreboard board;
  board.BeginHandoff(kSplit, kStart);
  board.BeginHandoff(kSplit, kStart);
  board.Handed(kSplit, 100);
  board.EndHandoff(kSplit, kStart);
  const std::vector<Flow> flows = board.Flows(kStart);
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].from + ">" + flows[0].to, "p0>d0");
  EXPECT_EQ(flows[0].in_flight, 1);
  EXPECT_EQ(flows[0].done, 1);
  EXPECT_EQ(flows[0].tokens, 100);
}

TEST(Scoreboard, ForgetsPairsThatDoNothing) {
  Scoreboard board;
  board.BeginHandoff(kSplit, kStart);
  EXPECT_EQ(board.Flows(kStart + 2 * Scoreboard::kForget).size(), 1u);
  board.EndHandoff(kSplit, kStart);
  EXPECT_TRUE(board.Flows(kStart + 2 * Scoreboard::kForget).empty());
}

TEST(Scoreboard, KeepsNothingOfRequestsThatStayWhereTheyAre) {
  Scoreboard board;
  board.BeginHandoff({.worker = "m0"}, kStart);
  board.Handed({.worker = "m0"}, 5);
  board.EndHandoff({.worker = "m0"}, kStart);
  EXPECT_TRUE(board.Flows(kStart).empty());
}

WorkerState Decode() {
  WorkerState worker{.name = "d0", .role = Role::kDecode, .load = 2};
  worker.status.joined_peers = {"p0"};
  worker.status.join_problems = {{"p1", "refused\xff\"<b>"}};
  worker.status.metrics.families = {
      {.name = "baton_kv_blocks",
       .samples = {{.labels = {{"worker", "d0"}, {"state", "free"}}, .value = 7},
                   {.labels = {{"worker", "d0"}, {"state", "used"}}, .value = 3}}},
      {.name = "baton_decisions_total",
       .samples = {{.labels = {{"where", "remote"}, {"reason", "cheaper"}}, .value = 4}}}};
  return worker;
}

TEST(FleetJson, ShowsWhatAWorkerTellsAndWhatPassesBetweenThem) {
  const json fleet = json::parse(FleetJson(
      {.workers = {Decode()}, .flows = {{.from = "p0", .to = "d0", .in_flight = 1}}}, {}));
  const json& worker = fleet["workers"][0];
  EXPECT_EQ(worker["role"], "decode");
  EXPECT_EQ(worker["state"], "ready");
  EXPECT_EQ(worker["kv_blocks"], json({{"free", 7}, {"used", 3}}));
  EXPECT_EQ(worker["joined"], json({"p0"}));
  EXPECT_EQ(worker["join_problems"][0]["problem"], "refused\xEF\xBF\xBD\"<b>");
  EXPECT_EQ(fleet["flows"][0]["in_flight"], 1);
  EXPECT_EQ(fleet["decisions"][0],
            json({{"where", "remote"}, {"reason", "cheaper"}, {"count", 4}}));
}

TEST(FleetJson, SaysWhyAWorkerIsNotThere) {
  const json fleet =
      json::parse(FleetJson({.workers = {{.name = "p0", .problem = "it was silent"}}}, {}));
  EXPECT_EQ(fleet["workers"][0],
            json({{"name", "p0"}, {"state", "absent"}, {"problem", "it was silent"}}));
}

TEST(FleetJson, SaysWhoChoosesTheRolesAndWhy) {
  const json fixed = json::parse(FleetJson({}, {}));
  EXPECT_EQ(fixed["router"]["ratio"], "fixed");
  const json followed =
      json::parse(FleetJson({.auto_ratio = true, .ratio_decision = "2 mixed can serve more"}, {}));
  EXPECT_EQ(followed["router"]["ratio"], "auto");
  EXPECT_EQ(followed["router"]["ratio_decision"], "2 mixed can serve more");
}

TEST(FleetJson, GivesTimesInMilliseconds) {
  const json fleet =
      json::parse(FleetJson({.ttft = {.count = 1, .p50 = std::chrono::microseconds(1234)}}, {}));
  EXPECT_DOUBLE_EQ(fleet["router"]["ttft"]["p50_ms"].get<double>(), 1.234);
}

}  // namespace
}  // namespace baton::router
