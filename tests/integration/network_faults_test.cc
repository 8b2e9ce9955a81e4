#include <algorithm>
#include <cstdio>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "support/fault_cluster.h"
#include "support/load_loop.h"
#include "support/served_baton.h"

/// Real faults on real processes on hosts of their own, in each stage of the hand-off on each side,
/// under 16 clients: no request fails, no wrong token, no stuck request, every pool back to empty,
/// and all join and serve again. The suite Faults is every combination (./dev soak), NetworkFaults
/// a selection. The time to notice and to recover is printed, and is no condition but for a
/// generous limit.
namespace baton::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kClients = 16;
constexpr Duration kLimit = seconds(60);

enum class Stage { kQueued, kPrefilling, kFlushing, kCommit, kDecoding, kAny };
constexpr const char* kStageNames[] = {"queued", "prefilling", "flushing",
                                       "commit", "decoding",   "any"};

int CountIn(Stage stage, const HandoffStages& stages) {
  const int any = stages.queued + stages.prefilling + stages.flushing + stages.decoding;
  const int counts[] = {stages.queued, stages.prefilling, stages.flushing,
                        stages.commit, stages.decoding,   any};
  return counts[static_cast<int>(stage)];
}

/// One fault: what begins it, for how long it lasts, and what ends it.
struct Fault {
  const char* name;
  Duration lasts;
  void (*begin)(FaultCluster& cluster, const std::string& victim);
  void (*end)(FaultCluster& cluster, const std::string& victim);
};

void Heal(FaultCluster& cluster, const std::string&) { cluster.network().Heal(); }

const Fault kFaults[] = {
    {"SIGKILL", Duration::zero(), [](auto& cluster, const auto& victim) { cluster.Kill(victim); },
     [](auto&, const auto&) {}},
    {"SIGSTOP 5 s", seconds(5),
     [](auto& cluster, const auto& victim) { cluster.Signal(victim, SIGSTOP); },
     [](auto& cluster, const auto& victim) { cluster.Signal(victim, SIGCONT); }},
    {"cable out 3 s", seconds(3),
     [](auto& cluster, const auto& victim) {
       cluster.network().SetPlugged(FaultCluster::HostOf(victim), false);
     },
     Heal},
    {"5% loss, 50 ms", seconds(5),
     [](auto& cluster, const auto& victim) {
       const int host = FaultCluster::HostOf(victim);
       cluster.network().SetWireFrom(host, {.loss = 0.05, .delay = milliseconds(50)});
       cluster.network().SetWireTo(host, {.loss = 0.05});
     },
     Heal},
    {"mute 3 s", seconds(3),
     [](auto& cluster, const auto& victim) {
       cluster.network().SetWireFrom(FaultCluster::HostOf(victim), {.loss = 1});
     },
     Heal},
    {"deaf 3 s", seconds(3),
     [](auto& cluster, const auto& victim) {
       cluster.network().SetWireTo(FaultCluster::HostOf(victim), {.loss = 1});
     },
     Heal},
};

std::vector<CompletionBody> Bodies() {
  std::vector<CompletionBody> bodies = RandomCompletions(21, 40, 260);
  for (CompletionBody& body : bodies) {
    body.max_tokens = 40 + body.max_tokens;
    body.ignore_eos = true;
  }
  return bodies;
}

/// A line of the table.
struct Row {
  std::string fault;
  std::string victim;
  std::string stage;
  HandoffStages hit;
  size_t finished = 0;
  size_t failed = 0;
  std::map<std::string, int> errors;
  Duration peer_noticed{};
  Duration router_noticed{};
  Duration ready{};
  Duration idle{};
};

double Ms(Duration duration) { return Seconds(duration) * 1e3; }

class NetworkFaults : public testing::Test {
 protected:
  void SetUp() override {
    const std::string why = FaultNetwork::WhyNot();
    if (!why.empty()) GTEST_SKIP() << why;
  }

  /// A cluster that serves, and what it answers without faults.
  void Begin(bool shared_memory) {
    shared_memory_ = shared_memory;
    cluster_ = std::make_unique<FaultCluster>(shared_memory);
    ASSERT_TRUE(ServedBaton::Until([&] { return cluster_->Ready(); }, kLimit)) << cluster_->log();
    expected_ = CompleteAll(FaultCluster::kPort, bodies_, 4);
    for (const Outcome& outcome : expected_) {
      ASSERT_TRUE(outcome.complete && outcome.error.empty()) << outcome.error << cluster_->log();
    }
    const std::string path = shared_memory ? "shared memory" : "over .*tcp";
    ASSERT_THAT(cluster_->log(), testing::ContainsRegex(path));
  }

  /// Makes a flush, and a commit on its way, last long enough to be met.
  void Stretch(Stage stage) {
    if (stage != Stage::kFlushing && stage != Stage::kCommit) return;
    cluster_->network().SetWire(FaultCluster::kPrefillHost, FaultCluster::kDecodeHost,
                                {.delay = milliseconds(200)});
  }

  void Hit(const Fault& fault, const std::string& victim, Stage stage) {
    SCOPED_TRACE(std::string(fault.name) + " of " + victim + ", " +
                 kStageNames[static_cast<int>(stage)]);
    LoadLoop load(FaultCluster::kPort, bodies_, kClients);
    Stretch(stage);
    Row row{fault.name, victim, kStageNames[static_cast<int>(stage)], {}};
    EXPECT_TRUE(ServedBaton::Until(
        [&] {
          row.hit = cluster_->Stages();
          // The two workers' figures are of different moments: a commit is believed among flushes.
          return CountIn(stage, row.hit) > 0 && (stage != Stage::kCommit || row.hit.flushing > 0);
        },
        kLimit))
        << "the stage was never reached";
    const TimePoint begin = Clock::System().Now();
    fault.begin(*cluster_, victim);
    Pause(fault.lasts);
    fault.end(*cluster_, victim);
    cluster_->network().Heal();
    const TimePoint healed = Clock::System().Now();

    EXPECT_TRUE(ServedBaton::Until([&] { return AnsweredSince(load, healed); }, kLimit))
        << "nothing is served again\n"
        << cluster_->log();
    row.ready = FirstAnswerSince(load, healed) - healed;
    Check(load.Stop(), row);
    row.peer_noticed = cluster_->FirstLoss(begin, victim, false);
    row.router_noticed = cluster_->FirstLoss(begin, victim, true);
    const TimePoint stopped = Clock::System().Now();
    EXPECT_TRUE(ServedBaton::Until([&] { return cluster_->Idle(); }, kLimit))
        << cluster_->Metrics() << cluster_->log();
    row.idle = Clock::System().Now() - stopped;
    EXPECT_TRUE(cluster_->AllRun()) << cluster_->log();
    Print(row);
  }

  void Print(const Row& row) const {
    std::printf(
        "%-6s %-15s %-7s %-10s  hit %2dq %2dp %2df %2dc %2dd  finished %3zu failed %3zu "
        " noticed peer %5.0f router %5.0f ms  served again %5.0f ms  idle %5.0f ms\n",
        shared_memory_ ? "shm" : "tcp", row.fault.c_str(),
        row.victim == "p0" ? "prefill" : "decode", row.stage.c_str(), row.hit.queued,
        row.hit.prefilling, row.hit.flushing, row.hit.commit, row.hit.decoding, row.finished,
        row.failed, Ms(row.peer_noticed), Ms(row.router_noticed), Ms(row.ready), Ms(row.idle));
    for (const auto& [error, count] : row.errors) {
      std::printf("       %4d x %s\n", count, error.c_str());
    }
    std::fflush(stdout);
  }

  /// Everything is answered as without the fault: one of two workers is always there.
  void Check(const std::vector<LoadLoop::Answer>& answers, Row& row) const {
    for (const LoadLoop::Answer& answer : answers) {
      const Outcome& outcome = answer.outcome;
      const Outcome& expected = expected_[answer.body];
      EXPECT_LT(Seconds(answer.end - answer.begin), Seconds(kLimit)) << "a stuck request";
      if (!answer.finished()) {
        ++row.failed;
        ++row.errors[outcome.error];
        ADD_FAILURE() << "status " << outcome.status << ": " << outcome.error;
        continue;
      }
      ++row.finished;
      EXPECT_EQ(outcome.text, expected.text);
      EXPECT_EQ(outcome.logprobs, expected.logprobs);
      EXPECT_EQ(outcome.finish_reason, expected.finish_reason);
    }
  }

  static TimePoint FirstAnswerSince(const LoadLoop& load, TimePoint since) {
    TimePoint first = TimePoint::max();
    for (const LoadLoop::Answer& answer : load.answers()) {
      if (answer.begin >= since && answer.finished()) first = std::min(first, answer.end);
    }
    return first;
  }
  static bool AnsweredSince(const LoadLoop& load, TimePoint since) {
    return FirstAnswerSince(load, since) != TimePoint::max();
  }
  static void Pause(Duration duration) {
    ServedBaton::Until([] { return false; }, duration);
  }

  const std::vector<CompletionBody> bodies_ = Bodies();
  bool shared_memory_ = false;
  std::unique_ptr<FaultCluster> cluster_;
  std::vector<Outcome> expected_;
};

/// Over shared memory a flush takes microseconds, so that those stages are met only by chance.
const std::vector<Stage>& StagesOver(bool shared_memory) {
  static const std::vector<Stage> by_tcp = {Stage::kQueued, Stage::kPrefilling, Stage::kFlushing,
                                            Stage::kCommit, Stage::kDecoding};
  static const std::vector<Stage> by_memory = {Stage::kQueued, Stage::kPrefilling, Stage::kDecoding,
                                               Stage::kAny, Stage::kAny};
  return shared_memory ? by_memory : by_tcp;
}

struct Case {
  const Fault* fault;
  bool shared_memory;
};

class EveryStage : public NetworkFaults, public testing::WithParamInterface<Case> {};

TEST_P(EveryStage, LeavesEveryAnswerRightAndEveryPoolEmpty) {
  Begin(GetParam().shared_memory);
  for (const char* victim : {"p0", "d0"}) {
    for (const Stage stage : StagesOver(GetParam().shared_memory)) {
      Hit(*GetParam().fault, victim, stage);
      if (HasFailure()) return;
    }
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Fault& fault : kFaults) {
    for (const bool shared_memory : {false, true}) cases.push_back({&fault, shared_memory});
  }
  return cases;
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.shared_memory ? "SharedMemory" : "Tcp";
  for (const char* c = info.param.fault->name; *c != '\0'; ++c) {
    if (std::isalnum(*c) != 0) name += *c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryStage, testing::ValuesIn(Cases()), NameOf);

/// The quick selection: each fault once, on alternating sides and in different stages.
TEST_F(NetworkFaults, OverTcpLeaveEveryAnswerRightAndEveryPoolEmpty) {
  Begin(false);
  Hit(kFaults[1], "p0", Stage::kFlushing);
  Hit(kFaults[2], "d0", Stage::kDecoding);
  Hit(kFaults[4], "p0", Stage::kPrefilling);
}

TEST_F(NetworkFaults, OverSharedMemoryLeaveEveryAnswerRightAndEveryPoolEmpty) {
  Begin(true);
  Hit(kFaults[0], "d0", Stage::kQueued);
  Hit(kFaults[1], "p0", Stage::kPrefilling);
}

/// As when the host is overloaded: nobody ran, so nobody was silent.
TEST_F(NetworkFaults, AStopOfAllProcessesAtOnceLosesNobodyAndFailsNothing) {
  Begin(false);
  LoadLoop load(FaultCluster::kPort, bodies_, kClients);
  EXPECT_TRUE(ServedBaton::Until(
      [&] { return CountIn(Stage::kPrefilling, cluster_->Stages()) > 0; }, kLimit));
  const TimePoint begin = Clock::System().Now();
  cluster_->SignalAll(SIGSTOP);
  Pause(seconds(3));
  cluster_->SignalAll(SIGCONT);
  const TimePoint healed = Clock::System().Now();
  EXPECT_TRUE(ServedBaton::Until([&] { return AnsweredSince(load, healed); }, kLimit));
  Row row;
  Check(load.Stop(), row);
  EXPECT_EQ(cluster_->FirstLoss(begin, "", false), Duration::zero()) << cluster_->log();
  EXPECT_EQ(cluster_->FirstLoss(begin, "", true), Duration::zero()) << cluster_->log();
}

}  // namespace
}  // namespace baton::test
