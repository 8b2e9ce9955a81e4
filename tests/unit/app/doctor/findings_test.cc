#include "doctor/findings.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::app {
namespace {

using testing::HasSubstr;

constexpr int64_t kGiB = int64_t{1} << 30;

HostFacts GoodHost() {
  return {.system = "Linux",
          .cores = 8,
          .memory = 64 * kGiB,
          .memory_available = 60 * kGiB,
          .shm = 32 * kGiB,
          .shm_available = 32 * kGiB,
          .shm_huge_pages = "advise",
          .open_files_limit = 65536,
          .clock_source = "tsc",
          .clock_resolution_ns = 1,
          .interfaces = {{"eth0", 9000, true}, {"lo", 65536, true}}};
}

const Wanted kModest{.workers = 2, .threads = 8, .kv_bytes = 8 * kGiB, .connections = 1024};

/// The finding about something; fails the test when there is none.
Finding About(const std::string& about, const std::vector<Finding>& findings) {
  const auto found = std::find_if(findings.begin(), findings.end(),
                                  [&](const Finding& each) { return each.about == about; });
  EXPECT_NE(found, findings.end()) << about;
  return found == findings.end() ? Finding{} : *found;
}

void ExpectAbout(const std::string& about, Level level, const HostFacts& facts,
                 const Wanted& wanted = kModest) {
  const Finding finding = About(about, ExamineHost(facts, wanted));
  EXPECT_EQ(finding.level, level) << about << ": " << finding.text;
  EXPECT_NE(finding.advice, "") << about;
}

TEST(Findings, HaveNothingToSayAgainstAGoodHost) {
  for (const Finding& finding : ExamineHost(GoodHost(), kModest)) {
    EXPECT_EQ(finding.level, Level::kOk) << finding.about << ": " << finding.text;
    EXPECT_EQ(finding.advice, "") << finding.about;
  }
}

TEST(Findings, NoteThreadsThatHaveNoCore) {
  HostFacts facts = GoodHost();
  facts.cores = 4;
  ExpectAbout("cores", Level::kNote, facts);
}

TEST(Findings, AreAProblemWhereTheKvCachesDoNotFit) {
  HostFacts facts = GoodHost();
  facts.memory_limit = 4 * kGiB;
  ExpectAbout("memory", Level::kProblem, facts);
  facts = GoodHost();
  facts.shm_available = 64 << 20;
  ExpectAbout("shm", Level::kProblem, facts);
  facts.shm = facts.shm_available = -1;
  ExpectAbout("shm", Level::kProblem, facts);
}

TEST(Findings, AskForLockedMemoryOnlyWhereThereIsRdma) {
  HostFacts facts = GoodHost();
  facts.locked_memory_limit = 64 << 10;
  EXPECT_EQ(About("memlock", ExamineHost(facts, kModest)).level, Level::kOk);
  facts.rdma_devices = {"mlx5_0"};
  ExpectAbout("memlock", Level::kProblem, facts);
}

TEST(Findings, CompareOpenFilesWithTheConnectionsThatAreAllowed) {
  HostFacts facts = GoodHost();
  facts.open_files_limit = 1024;
  ExpectAbout("open_files", Level::kProblem, facts);
  EXPECT_THAT(About("open_files", ExamineHost(facts, kModest)).advice, HasSubstr("ulimit -n 1088"));
}

TEST(Findings, NoteASlowClockSmallFramesAndMissingHugePages) {
  HostFacts facts = GoodHost();
  facts.clock_source = "hpet";
  facts.interfaces[0].mtu = 1500;
  facts.shm_huge_pages = "never";
  ExpectAbout("clock", Level::kNote, facts);
  ExpectAbout("network.eth0", Level::kNote, facts);
  ExpectAbout("huge_pages", Level::kNote, facts);
}

PairFigures Pair(bool remote, transport::PathKind kind, double bytes_per_s) {
  return {.remote = remote,
          .path = {.kinds = {kind}, .text = "a path"},
          .bytes_per_s = bytes_per_s,
          .round_trip_s = 2e-5};
}

TEST(PairFindings, NoteATwoProcessPairThatDoesNotShareMemory) {
  const auto tcp = ExaminePair(Pair(false, transport::PathKind::kTcp, 1e9));
  EXPECT_EQ(About("pair.path", tcp).level, Level::kNote);
  const auto shared = ExaminePair(Pair(false, transport::PathKind::kSharedMemory, 1e10));
  EXPECT_EQ(About("pair.path", shared).level, Level::kOk);
}

TEST(PairFindings, NoteASlowNetworkAndClocksApart) {
  PairFigures figures = Pair(true, transport::PathKind::kTcp, 1e8);
  figures.clock_offset_s = -0.2;
  EXPECT_EQ(About("pair.bandwidth", ExaminePair(figures)).level, Level::kNote);
  EXPECT_EQ(About("pair.clock", ExaminePair(figures)).level, Level::kNote);
  EXPECT_THAT(About("pair.clock", ExaminePair(figures)).text, HasSubstr("-200.000 ms"));
}

TEST(Findings, AreTheSameInTextAndJson) {
  const std::vector<Finding> findings = {{"a", Level::kOk, "fine", ""},
                                         {"b", Level::kProblem, "bad \"thing\"", "mend it"}};
  const std::string text = RenderText(findings);
  EXPECT_THAT(text, HasSubstr("problem: bad \"thing\""));
  EXPECT_THAT(text, HasSubstr("-> mend it"));
  const auto json = nlohmann::json::parse(RenderJson(findings));
  EXPECT_EQ(json["healthy"], false);
  ASSERT_EQ(json["findings"].size(), 2U);
  EXPECT_EQ(json["findings"][1]["about"], "b");
  EXPECT_EQ(json["findings"][1]["level"], "problem");
  EXPECT_EQ(json["findings"][1]["text"], "bad \"thing\"");
  EXPECT_EQ(json["findings"][1]["advice"], "mend it");
}

TEST(ExamineGpus, SaysWhatIsWantedAndNotThere) {
  const device::DeviceList one{.devices = {{.id = "cpu"}, {.id = "cuda:0"}}, .no_cuda = ""};
  const auto findings = ExamineGpus(one, "", {.gpus = {0, 1}});
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].about, "wanted.cuda:1");
  EXPECT_EQ(findings[0].level, Level::kProblem);
  EXPECT_THAT(findings[0].advice, HasSubstr("workers.*.device"));
}

TEST(ExamineGpus, SaysWhyAGpuIsOfNoUse) {
  const device::DeviceList none{.devices = {{.id = "cpu"}}, .no_cuda = "no driver"};
  EXPECT_EQ(ExamineGpus(none, "", {.gpus = {0}})[0].text, "no driver");
  const device::DeviceList one{.devices = {{.id = "cpu"}, {.id = "cuda:0"}}, .no_cuda = ""};
  EXPECT_EQ(ExamineGpus(one, "built without", {.gpus = {0}})[0].text, "built without");
  EXPECT_TRUE(ExamineGpus(one, "built without", {}).empty());
}

}  // namespace
}  // namespace baton::app
