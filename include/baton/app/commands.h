#pragma once

#include "baton/app/command_line.h"
#include "baton/base/clock.h"
#include "baton/config/load.h"

namespace baton::app {

inline constexpr int kExitOk = 0;
/// Failed while running.
inline constexpr int kExitFailure = 1;
/// The command line or the configuration is wrong.
inline constexpr int kExitUsage = 2;

/// The exit code for a process that ended with `status`.
int ExitCode(const Status& status);

/// Each runs to its end and returns the exit code.
int RunServe(const CommandLine& command, const config::Loaded& loaded, Clock& clock);
int RunRouter(const CommandLine& command, const config::Loaded& loaded, Clock& clock);
int RunWorker(const CommandLine& command, const config::Loaded& loaded, Clock& clock);
int RunBench(const CommandLine& command, Clock& clock);
int RunDoctor(const CommandLine& command);
int RunScale(const CommandLine& command);
int RunKey(const CommandLine& command);

}  // namespace baton::app
