#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/scaling.h"
#include "baton/base/clock.h"
#include "fleet.h"
#include "role_plan.h"

namespace baton::router {

/// Changes the roles of the fleet's workers, one after the other, and gives a worker that was
/// started again the role that it had here.
/// *Threads*: lives on the router's thread.
class Scaling {
 public:
  /// Both outlive this.
  Scaling(Fleet& fleet, RouterMetrics& metrics, Clock& clock)
      : fleet_(fleet), metrics_(metrics), clock_(clock) {}

  /// Begins, unless it is a dry run, and tells the plan. Fails, before anything was done, with
  /// FailedPrecondition, InvalidArgument or Unavailable, each with what to do.
  Result<api::ScaleState> Begin(const api::ScaleRequest& request, const std::string& reason);
  /// Does what is due; returns when something will be.
  TimePoint Tick(TimePoint now);

  /// Of the last change.
  const api::ScaleState& state() const { return state_; }
  bool under_way() const { return state_.under_way; }
  /// Grows with every change of state().
  uint64_t version() const { return version_; }

 private:
  struct Assigned {
    Role role = Role::kMixed;
    /// In which it had the role last.
    Epoch epoch;
    /// Another one, which was asked to take it again.
    Epoch asked;
  };
  /// The move under way.
  struct Moving {
    std::string worker;
    RoleMove move;
    TimePoint since{};
    /// It has said that it will.
    bool changing = false;
  };

  void BeginMove();
  void OnAnswer(uint64_t number, const std::string& worker, const Status& status);
  void Watch(TimePoint now);
  /// Workers that were restarted come with the role of their command line.
  void Reassign();
  void Note(std::string line);
  void End(Status outcome);

  Fleet& fleet_;
  RouterMetrics& metrics_;
  Clock& clock_;
  api::ScaleState state_;
  uint64_t version_ = 0;
  std::string reason_;
  std::vector<RoleMove> plan_;
  /// Moves of it that are done.
  size_t done_ = 0;
  Duration patience_{};
  TimePoint deadline_{};
  std::optional<Moving> moving_;
  std::map<std::string, Assigned> assigned_;
  uint64_t seen_ = 0;
};

}  // namespace baton::router
