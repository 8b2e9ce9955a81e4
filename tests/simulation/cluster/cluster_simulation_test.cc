#include <cstdlib>

#include <gtest/gtest.h>

#include "../seeds.h"
#include "baton/base/logging.h"
#include "cluster.h"

/// Routers, workers of all roles and clients live through kills, restarts, frozen processes, cut
/// links and cancellations, in one thread on a manual clock. The six invariants are checked after
/// every event, and each token against that of an undisturbed engine; where nothing is limited,
/// every request finishes that its client and its router live to see.
namespace baton::simulation {
namespace {

constexpr int kEvents = 3000;

Counts RunSeed(Oracle& oracle, uint64_t seed) {
  Cluster cluster(seed, oracle);
  for (int event = 0; event < kEvents; ++event) {
    cluster.Event();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "at event " << event;
      return {};
    }
  }
  EXPECT_TRUE(cluster.ComesToRest()) << "not at rest:\n" << cluster.Describe();
  return cluster.Counts();
}

TEST(ClusterSimulation, KeepsItsInvariantsUnderRandomFaults) {
  SetLogLevel(std::getenv("BATON_SIMULATION_LOG") != nullptr ? LogLevel::kDebug : LogLevel::kError);
  Oracle oracle;
  Counts counts = RunSeeds({.test = "simulation.cluster", .count = 500, .run = [&](uint64_t seed) {
                              return RunSeed(oracle, seed);
                            }});
  if (OneSeedOnly() || HasFailure()) return;
  // Runs in which nothing happens would prove nothing.
  const int64_t seeds = counts["seeds"];
  EXPECT_GT(counts["requests finished"], 20 * seeds);
  // What must finish whatever fails is most of it, and something does fail.
  EXPECT_GT(2 * counts["requests sure to finish"], counts["requests finished"]);
  EXPECT_GT(counts["resumes lost"], 2 * seeds);
  EXPECT_GT(counts["retries lost"], 5 * seeds);
  EXPECT_GT(counts["resumes stuck"] + counts["retries stuck"], seeds / 50);
  EXPECT_GT(counts["resumes drain"], seeds / 50);
  EXPECT_GT(counts["requests failed"], seeds);
  EXPECT_GT(counts["commits"], 3 * seeds);
  EXPECT_GT(counts["kills"], seeds);
  EXPECT_GT(counts["preemptions"], seeds / 2);
  for (const char* reason : {"queue_full", "queue_wait", "slo_unattainable", "no_worker"}) {
    EXPECT_GT(counts[std::string("refusals: ") + reason], 0) << reason;
  }
}

}  // namespace
}  // namespace baton::simulation
