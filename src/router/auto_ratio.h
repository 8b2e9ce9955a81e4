#pragma once

#include <deque>
#include <optional>
#include <string>

#include "baton/base/clock.h"
#include "fleet.h"
#include "metrics.h"
#include "ratio_hold.h"
#include "ratio_plan.h"
#include "scaling.h"

namespace baton::router {

/// Has the fleet's roles follow the load, where that is wished: looks once a second at what requests
/// of late were like and at what workers' steps take, and changes the roles when others would serve
/// more requests within their SLOs.
/// *Threads*: lives on the router's thread.
class AutoRatio {
 public:
  struct Options {
    bool on = false;
    Duration dwell{};
    /// As RatioPlan has it.
    bool by_cost = false;
  };

  /// All of it outlives this.
  AutoRatio(Fleet& fleet, Scaling& scaling, RouterMetrics& metrics)
      : fleet_(fleet), scaling_(scaling), metrics_(metrics) {}

  void SetOptions(const Options& options);
  bool on() const { return options_.on; }
  /// A request that has ended well.
  void Add(TimePoint now, const RequestSample& sample);
  /// Looks when it is due; returns when it will be. `arrivals_per_s` is of late.
  TimePoint Tick(TimePoint now, double arrivals_per_s);
  /// The last change that it decided on, in a sentence; empty before.
  const std::string& decision() const { return decision_; }

 private:
  struct Ended {
    TimePoint at;
    RequestSample sample;
  };

  void Look(TimePoint now, double arrivals_per_s);
  /// Of all workers, once they rest in their roles.
  std::optional<api::RoleCounts> CountsAtRest() const;
  /// Notes what became of the last change, and those of others.
  void FollowChanges(TimePoint now, const api::RoleCounts& counts);
  std::optional<RatioPlan> Plan(TimePoint now);
  void Change(const RatioOutlook& current, const RatioOutlook& best, double arrivals_per_s);
  void Show(const RatioOutlook& current, const RatioOutlook& best, double arrivals_per_s);

  Fleet& fleet_;
  Scaling& scaling_;
  RouterMetrics& metrics_;
  Options options_;
  RatioHold hold_{Duration::zero()};
  TimePoint next_{};
  /// The newest last.
  std::deque<Ended> ended_;
  std::optional<api::RoleCounts> seen_;
  /// Of Scaling::state(), of the change that was begun here and has not been looked at since.
  uint64_t begun_ = 0;
  std::string decision_;
};

}  // namespace baton::router
