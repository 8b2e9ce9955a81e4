#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/random.h"
#include "baton/transport/loopback.h"
#include "oracle.h"
#include "rpc.h"
#include "step_engine.h"
#include "worker_core.h"

namespace baton::simulation {

/// What the processes of a cluster share.
struct Surroundings {
  ManualClock& clock;
  Random& random;
  SimulatedRpc& rpc;
  transport::LoopbackNetwork& network;
  Oracle& oracle;
};

/// A host that runs a worker process, one incarnation after the other. The process is the real
/// WorkerCore; each turn of one of its threads is a call here.
class SimulatedWorker {
 public:
  SimulatedWorker(const Surroundings& surroundings, worker::WorkerOptions options);
  ~SimulatedWorker();

  const std::string& name() const { return options_.name; }
  const worker::WorkerOptions& options() const { return options_; }
  /// Of the transport: another one for each incarnation.
  const std::string& endpoint() const { return endpoint_; }
  ProcessId process() const { return process_; }

  /// REQUIRES: not alive.
  void Start();
  void Kill();
  void Freeze(Duration duration);
  /// Its engine takes no turns for so long, while all else goes on and says that all is well.
  void Wedge(Duration duration);
  /// Starts to drain, as on SIGTERM.
  void Stop(Duration drain);
  void Thaw();
  bool alive() const { return core_ != nullptr; }
  bool frozen() const { return frozen_until_.has_value(); }
  bool stopping() const { return stage_ != Stage::kServing; }
  bool wedged() const { return wedged_until_.has_value(); }
  void Unwedge() { wedged_until_.reset(); }
  /// Its threads take turns.
  bool runs() const { return alive() && !frozen(); }

  // REQUIRES: runs().
  void EngineStep() {
    if (!wedged_until_) engine().Step();
  }
  void TransportTurn(int most_work);
  /// The main thread: goes on with a stop. Ends, too, a freeze and a wedge that are due.
  void MainTurn();

  // REQUIRES: alive().
  worker::WorkerCore& core() { return *core_; }
  const worker::WorkerCore& core() const { return *core_; }
  engine::StepEngine& engine() const { return static_cast<engine::StepEngine&>(core_->engine()); }
  /// Nothing posted waits to be done.
  bool quiet() const { return engine().pending() == 0 && core_->transport_thread().pending() == 0; }
  /// No request, hand-off or pinned block is left.
  bool AtRest() const;

  // Of all incarnations.
  int64_t preemptions() const {
    return preemptions_ + (alive() ? engine().Stats().preemptions : 0);
  }
  int64_t commits() const {
    return commits_ + (alive() ? core_->decode_side().Stats().committed : 0);
  }

 private:
  /// A stop goes through these in turn.
  enum class Stage { kServing, kDraining, kLeaving };

  std::vector<cost::StepSample> Calibration() const;
  void ExpectNothingTaken() const;

  const Surroundings surroundings_;
  const worker::WorkerOptions options_;
  std::string endpoint_;
  ProcessId process_{};
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<worker::WorkerCore> core_;
  std::optional<TimePoint> frozen_until_;
  std::optional<TimePoint> wedged_until_;
  Stage stage_ = Stage::kServing;
  TimePoint deadline_{};
  /// When the main thread saw that nothing is under way.
  std::optional<TimePoint> drained_at_;
  int incarnation_ = 0;
  int64_t preemptions_ = 0;
  int64_t commits_ = 0;
};

}  // namespace baton::simulation
