#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace baton::simulation {

/// What happened, by name, summed over seeds.
using Counts = std::map<std::string, int64_t>;

struct Seeds {
  /// Of the CTest entry, e.g. "simulation.cluster".
  std::string test;
  /// How many `./dev test` runs.
  uint64_t count = 0;
  /// Fails through GoogleTest.
  std::function<Counts(uint64_t seed)> run;
};

/// Runs a simulation with the seeds 1, 2, ... until one fails, in this process, and returns what
/// happened. The environment asks for others:
///   BATON_SIMULATION_SEED=n     that one alone
///   BATON_SIMULATION_SEEDS=n    so many of them
///   BATON_SIMULATION_SECONDS=s  as many as fit into that time
///   BATON_SIMULATION_FIRST=n    from that one on
///   BATON_SIMULATION_JOBS=n     in so many processes, saying every few seconds how far they are
/// A seed that fails, or ends its process, is printed as the line that runs it again, and added to
/// failed_seeds.txt in the build folder.
Counts RunSeeds(const Seeds& seeds);

/// One seed was asked for, so that less was done than a test counts on.
bool OneSeedOnly();

}  // namespace baton::simulation
