#include "baton/loadgen/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Record Answer(int64_t index, int ttft_ms, int tpot_ms) {
  const Duration due = milliseconds(100 * index);
  const Duration first = due + milliseconds(ttft_ms);
  return {.index = index,
          .due = due,
          .sent = due + milliseconds(1),
          .pieces = {first, first + milliseconds(tpot_ms), first + milliseconds(2 * tpot_ms)},
          .end = first + milliseconds(2 * tpot_ms),
          .planned_prompt_tokens = 9,
          .asked_output_tokens = 3,
          .prompt_tokens = 10,
          .output_tokens = 3,
          .usage = true};
}

/// Two answers and a failure.
Report Example() {
  LoadResult result{.records = {Answer(0, 50, 5), Answer(1, 150, 15)},
                    .cpu = milliseconds(30),
                    .elapsed = milliseconds(300)};
  result.records.push_back({.index = 2,
                            .end = milliseconds(20),
                            .outcome = Outcome::kFailed,
                            .error = "http 503",
                            .message = "</script><b>"});
  return {.label = "a <b> label",
          .version = "1.2",
          .started_unix_s = 1700000000,
          .settings = {{"url", std::string("http://h")}, {"rate", 4.0}, {"ignore_eos", true}},
          .run = MakeRunReport(result, {{100, 10}}),
          .records = result.records};
}

Json Written(const Report& report) { return Json::parse(ReportJson(report)); }

TEST(ReportJson, HasTheFieldsOfItsSchema) {
  const Json json = Written(Example());
  EXPECT_EQ(json["schema"], "baton-bench/1");
  EXPECT_EQ(json["settings"], Json::parse(R"({"url":"http://h","rate":4.0,"ignore_eos":true})"));
  const Json& run = json["run"];
  EXPECT_EQ(run["requests"], Json::parse(R"({"done":2,"failed":1,"cancelled":0})"));
  EXPECT_EQ(run["tokens"], Json::parse(R"({"prompt":20,"output":6,"counted_by":"usage"})"));
  EXPECT_EQ(run["errors"][0],
            Json::parse(R"({"kind":"http 503","count":1,"example":"</script><b>"})"));
  EXPECT_EQ(run["ttft_ms"]["p50"], 100);
  EXPECT_EQ(run["from_sent"]["ttft_ms"]["p50"], 99);
  EXPECT_EQ(run["itl_ms"]["count"], 4);
  EXPECT_EQ(run["generator"]["cpu_share"], 0.1);
  for (const char* name : {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"}) {
    EXPECT_EQ(run["cdf"][name].size(), 201U) << name;
  }
  EXPECT_FALSE(json.contains("goodput"));
}

TEST(ReportJson, HasAttainmentBySlo) {
  const Json slo = Written(Example())["run"]["slos"][0];
  EXPECT_EQ(slo["ttft_ms"], 100);
  EXPECT_NEAR(slo["attainment"]["both"], 1.0 / 3, 1e-5);
  // One of three requests in 280 ms.
  EXPECT_NEAR(slo["within_slo_per_s"], 1 / 0.28, 1e-3);
  EXPECT_EQ(slo["curve"].size(), 41U);
}

TEST(ReportJson, HasEveryRecordToTheMicrosecondWhereTheyAreAskedFor) {
  Report report = Example();
  report.records[1].pieces[0] = std::chrono::microseconds(1234567891);
  const Json records = Written(report)["records"];
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[1]["pieces_ms"][0], 1234567.891);
  EXPECT_EQ(records[1]["outcome"], "done");
  EXPECT_EQ(records[2]["error"], "http 503: </script><b>");
  report.records.clear();
  EXPECT_FALSE(Written(report).contains("records"));
}

TEST(ReportJson, HasTheStepsOfASearch) {
  Report report = Example();
  report.goodput = GoodputReport{
      .goal = 0.9,
      .goodputs = {{.slo = {100, 10}, .requests_per_s = 3, .bounded = false}},
      .steps = {{.rate = 4, .attainments = {{.requests = 3, .both = 0.5}}, .requests = 3}}};
  const Json goodput = Written(report)["goodput"];
  EXPECT_EQ(goodput["slos"][0]["requests_per_s"], 3);
  EXPECT_EQ(goodput["steps"][0]["rate"], 4);
  EXPECT_EQ(goodput["steps"][0]["attainments"][0]["both"], 0.5);
}

TEST(ReportJson, IsWrittenForALoadInWhichNothingWasAnswered) {
  const Json json = Written({.run = MakeRunReport({}, {{1, 1}})});
  EXPECT_EQ(json["run"]["ttft_ms"]["count"], 0);
  EXPECT_TRUE(json["run"]["cdf"]["ttft_ms"].empty());
}

TEST(ReportTable, SaysWhatWasMeasured) {
  EXPECT_THAT(ReportTable(Example()),
              AllOf(HasSubstr("2 done, 1 failed"), HasSubstr("1 x http 503: </script>"),
                    HasSubstr("TTFT "), HasSubstr("kept by 33.3 %"), Not(HasSubstr("note"))));
}

TEST(ReportTable, DoubtsFiguresOfAGeneratorAtItsLimit) {
  Report report = Example();
  report.run.cpu_share = 0.95;
  EXPECT_THAT(ReportTable(report), HasSubstr("95.0 % of a core and may be what limits"));
}

TEST(ReportTable, SaysWhereTokensWereNotCountedByTheServer) {
  Report report = Example();
  report.run.figures.without_usage = 2;
  EXPECT_THAT(ReportTable(report), HasSubstr("the server sent no usage"));
}

TEST(ReportPage, HoldsItsReportsAndNothingOfTheirsBecomesMarkup) {
  const std::string page = ReportPage({ReportJson(Example())});
  EXPECT_THAT(page, AllOf(HasSubstr("\\u003c/script>\\u003cb>"), Not(HasSubstr("</script><b>")),
                          Not(HasSubstr("/*reports*/")), HasSubstr("\"baton-bench/1\"")));
}

TEST(ReportPage, NeedsNothingFromANetwork) {
  const std::string page = ReportPage({});
  EXPECT_THAT(page,
              AllOf(Not(HasSubstr("http://")), Not(HasSubstr("https://")), Not(HasSubstr("src="))));
}

}  // namespace
}  // namespace baton::loadgen
