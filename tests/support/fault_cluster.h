#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/base/clock.h"
#include "support/fault_network.h"
#include "support/tiny_model.h"

namespace baton::test {

/// Hand-offs by where they are, and sequences that decode, as the router's /metrics showed last.
struct HandoffStages {
  int queued = 0;
  int prefilling = 0;
  int flushing = 0;
  /// Sent by the prefill worker, not yet accepted by the decode worker.
  int commit = 0;
  int decoding = 0;
};

/// A router, a prefill worker p0 and a decode worker d0, each a process on a host of its own.
/// *Threads*: lives on the test's thread, which is on the router's host.
class FaultCluster {
 public:
  static constexpr int kRouterHost = 0;
  static constexpr int kPrefillHost = 1;
  static constexpr int kDecodeHost = 2;
  static constexpr uint16_t kPort = 8000;

  /// KV goes by shared memory, or as between machines by TCP; all else goes over the network.
  explicit FaultCluster(bool shared_memory);
  ~FaultCluster();

  FaultNetwork& network() { return network_; }
  static int HostOf(const std::string& worker) {
    return worker == "p0" ? kPrefillHost : kDecodeHost;
  }
  void Signal(const std::string& worker, int signal) const;
  /// To the router too.
  void SignalAll(int signal) const;
  /// Kills the worker and starts it anew at the same address.
  void Kill(const std::string& worker);
  /// False where a process ended by itself.
  bool AllRun() const;

  bool Ready() const;
  /// What /metrics says now.
  std::string Metrics() const;
  HandoffStages Stages() const;
  /// No block of any worker is used or quarantined, and nothing is under way.
  bool Idle() const;

  /// When the first line came after `since` in which a process other than `victim` says that it
  /// lost somebody; nothing for none. `by_router`: only the router's, else only the workers'.
  Duration FirstLoss(TimePoint since, const std::string& victim, bool by_router) const;
  std::string log() const;

 private:
  class Log;

  void Start(const std::string& name);

  testing_support::TemporaryFolder folder_;
  FaultNetwork network_;
  std::unique_ptr<Log> log_;
  std::map<std::string, pid_t> pids_;
};

}  // namespace baton::test
