#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/random.h"
#include "baton/telemetry/metrics.h"
#include "baton/transport/loopback.h"
#include "checks.h"
#include "client.h"
#include "oracle.h"
#include "router_core.h"
#include "rpc.h"
#include "worker.h"

namespace baton::simulation {

/// What of a seed's life is drawn once.
struct Conditions {
  explicit Conditions(Random& random);
  /// A limit to silence that turns and messages do not reach by chance at this pace, or hardly so.
  std::chrono::milliseconds Patience(std::chrono::milliseconds least) const {
    return (calm ? 8 : 1) * least + std::chrono::ceil<std::chrono::milliseconds>(100 * pace);
  }

  /// Nothing fails and time passes evenly.
  bool calm = false;
  /// Nothing is limited, and routers go on trying: then every request must finish, whatever fails.
  bool ample = false;
  /// Mean time between two events.
  Duration pace{};
  /// One fault in so many events.
  uint64_t fault_interval = 0;
  /// One change of a worker's role in so many events; 0: none.
  uint64_t role_interval = 0;
  transport::LoopbackOptions transport;
  RpcOptions rpc;
  router::RouterOptions router;
  size_t routers = 1;
  std::vector<worker::WorkerOptions> workers;
};

/// One router or two, some workers and their clients, on one thread. Each event is a turn of one
/// thread of one process, a message that arrives, something that a client does, or a fault.
class Cluster {
 public:
  Cluster(uint64_t seed, Oracle& oracle);
  ~Cluster();

  void Event();
  /// Ends all faults and lets time pass. True when all comes to its end and the cluster serves
  /// again.
  bool ComesToRest();
  /// Who is not at rest, for a failure.
  std::string Describe() const;

  std::map<std::string, int64_t> Counts() const;

 private:
  struct RouterProcess {
    std::string name;
    ProcessId process{};
    std::unique_ptr<telemetry::MetricRegistry> registry;
    std::unique_ptr<router::RouterCore> core;
    /// Some time since its start; from then on it takes requests whoever is missing.
    bool was_ready = false;
  };

  void StartRouter(RouterProcess& router);
  void KillRouter(RouterProcess& router);
  /// One turn; false when there was nothing to do.
  static bool RouterTurn(RouterProcess& router);
  SimulatedWorker& Any() { return *workers_[random_.Below(workers_.size())]; }
  const SimulatedWorker* Find(const std::string& endpoint) const;
  const std::string& AnyHost();

  void WorkerTurn(SimulatedWorker& worker);
  void ClientActs();
  std::shared_ptr<SimulatedRequest> StartRequest(size_t router);
  void Fault();
  void ChangeRole();
  /// Without `but`, the other workers can serve as they are and stay.
  bool ServesWithout(const SimulatedWorker& but) const;
  void KillSome();
  void FreezeSome();
  void WedgeSome();
  void SeverSome();
  void CutSome();
  /// Restarts, and heals, what is due.
  void Repair(bool all);
  void PassTime();
  /// For how long a fault lasts: mostly for some hundred events, sometimes for up to `most`.
  Duration Span(Duration most);

  /// One round in which everything takes turns.
  void Round();
  bool AtRest() const;
  /// Every router knows all workers, and these are joined.
  bool Complete() const;
  bool EveryRequestEnded() const;

  ManualClock clock_;
  Random random_;
  const Conditions conditions_;
  transport::LoopbackNetwork network_;
  SimulatedRpc rpc_;
  Oracle& oracle_;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::vector<RouterProcess> routers_;
  Checks checks_;
  std::vector<std::shared_ptr<SimulatedRequest>> requests_;
  int open_requests_ = 0;
  /// When a dead host starts again, and a cut link heals.
  std::map<size_t, TimePoint> restarts_;
  std::map<std::pair<std::string, std::string>, TimePoint> heals_;
  /// By worker: when it may be frozen again.
  std::map<size_t, TimePoint> next_freeze_;
  std::map<std::string, int64_t> faults_;
};

}  // namespace baton::simulation
