#pragma once

#include "baton/app/bench_flags.h"

namespace CLI {
class App;
}

namespace baton::app {

/// Declares the flags of `baton bench`; their values go to `flags`, which outlives the command.
void AddBenchFlags(CLI::App& command, BenchFlags& flags);

}  // namespace baton::app
