#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/base/clock.h"

namespace baton::test {

/// Processes of a fleet, each started by itself, whose output is kept. Those that are left are
/// killed in the end. *Threads*: lives on the test's thread.
class BatonProcesses {
 public:
  BatonProcesses();
  ~BatonProcesses();

  /// `words[0]` is the program; "baton" is the one that was built.
  void Start(const std::string& name, std::vector<std::string> words);
  void Signal(const std::string& name, int signal) const;
  /// Waits until it has ended; its exit status, or -1 for one that did not end by itself in time.
  int WaitExit(const std::string& name, Duration timeout);
  bool runs(const std::string& name) const { return pids_.contains(name); }
  std::string log() const;

 private:
  class Output;
  std::map<std::string, pid_t> pids_;
  std::unique_ptr<Output> output_;
};

}  // namespace baton::test
