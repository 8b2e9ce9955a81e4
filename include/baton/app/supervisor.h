#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "baton/app/log_output.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/config/config.h"

namespace baton::app {

/// A process to keep running.
struct ProcessSpec {
  std::string name;
  /// argv[0] included.
  std::vector<std::string> arguments;
  /// Stages are stopped one after the other, 0 first.
  int stop_stage = 0;
};

struct SupervisorOptions {
  std::string executable = "/proc/self/exe";
  config::Restart restart;
  Duration drain = std::chrono::seconds(30);
  Duration stop = std::chrono::seconds(5);
  /// Signals this soon after the first count as the same: wrappers like timeout(1) send two.
  Duration same_signal = std::chrono::milliseconds(500);
  LogOutputOptions log;
  /// A process reported that it is ready; `notes` are the variables it sent, e.g. URL.
  std::function<void(const std::string& name, const std::map<std::string, std::string>& notes)>
      on_ready;
};

/// Starts processes, restarts those that end, and stops all in the end.
/// *Threads*: lives on one thread, whose end ends the processes too. *Invariants*: when Run()
/// returns, no process is left but one that the kernel cannot end.
class Supervisor {
 public:
  /// `clock` outlives the supervisor.
  Supervisor(SupervisorOptions options, std::vector<ProcessSpec> specs, Clock& clock);
  ~Supervisor();

  /// Until a signal comes in on `signals`, a signalfd: the first drains, a second kills; SIGUSR1 is
  /// for the processes and passed on. Fails with
  /// Aborted when a process cannot be brought up, with FailedPrecondition when that is because it
  /// refuses its configuration (exit code 2) from the start on, with Cancelled when processes had
  /// to be killed, with Internal when one cannot be ended.
  Status Run(int signals);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Blocks SIGINT, SIGTERM, SIGHUP and SIGUSR1 for this thread and those it starts, ignores SIGPIPE,
/// and returns a signalfd that reads the four.
int MakeSignalDescriptor();

}  // namespace baton::app
