#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/base/clock.h"

namespace baton::test {

/// The sum of the samples of a metric in `text`, as /metrics shows it, whose labels contain all of
/// `labels`, e.g. `state="used"`.
double SumOfMetric(const std::string& text, const std::string& name,
                   const std::vector<std::string>& labels = {});

struct ServedOptions {
  int prefill = 1;
  int decode = 1;
  int mixed = 0;
  std::string kv_memory = "64MiB";
  /// This one hands every prompt over where there are prefill workers.
  std::string policy = "least_loaded";
  /// More YAML, appended as it is.
  std::string yaml;
  /// A file that takes all output in place of the log here; the server then gets a FreePort(), as
  /// it cannot say which.
  std::string output{};
  /// Words for the command line after --config.
  std::vector<std::string> arguments{};
};

/// A `baton serve` with all its processes, on ports of its own, over the bundled model. Ends them
/// when it goes. *Threads*: lives on the test's thread.
class ServedBaton {
 public:
  explicit ServedBaton(const ServedOptions& options = {});
  ~ServedBaton();

  /// False, with the log on standard error, unless the ready line comes in time.
  bool WaitReady(Duration timeout = std::chrono::seconds(60));
  uint16_t port() const;
  /// The YAML file that it was started with.
  std::string config_file() const;
  pid_t pid() const { return pid_; }
  /// The process of a worker, as the process list shows it ("baton worker ... --name p0 ..."); -1
  /// when there is none.
  pid_t WorkerPid(const std::string& name) const;
  /// The command line of a process, its words joined by spaces.
  static std::string CommandLine(pid_t pid);
  /// All processes started by this server that are still there.
  std::vector<pid_t> Children() const;

  /// SumOfMetric() of what /metrics shows now.
  double Metric(const std::string& name, const std::vector<std::string>& labels = {}) const;
  /// Waits until no KV block is used or quarantined and nothing runs or waits on any worker.
  bool WaitIdle(Duration timeout = std::chrono::seconds(60)) const;
  /// Waits until `reached`, looking often; false after `timeout`.
  static bool Until(const std::function<bool()>& reached, Duration timeout);

  void Signal(int signal) const;
  /// The exit status of `baton serve`; -1 when it has not ended in time or by a signal. log() has
  /// all that it printed by then.
  int WaitExit(Duration timeout = std::chrono::seconds(60));
  /// What has been read of what it prints; lines of several processes may come late.
  std::string log() const;
  /// Waits until the log contains `text`.
  bool WaitLog(const std::string& text, Duration timeout = std::chrono::seconds(60)) const;

 private:
  struct Output;
  pid_t pid_ = -1;
  bool reaped_ = false;
  std::unique_ptr<Output> output_;
};

}  // namespace baton::test
