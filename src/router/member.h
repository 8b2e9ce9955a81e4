#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/progress_watch.h"
#include "baton/base/silence.h"
#include "baton/router/router.h"
#include "baton/rpc/client.h"
#include "forecaster.h"
#include "prefix_view.h"

namespace baton::router {

/// One worker of the fleet: dials it, asks who it is, watches its status and learns from that, and
/// starts over when it is lost.
/// *Threads*: lives on the router's thread; `post` brings gRPC's callbacks there.
/// REQUIRES: Close() and then idle() before it is destroyed.
class Member {
 public:
  using Post = std::function<void(std::function<void()>)>;

  /// What becomes of it. Called on the router's thread.
  class Listener {
   public:
    virtual ~Listener() = default;
    /// It is there: its first status has come.
    virtual void OnThere(Member& member) = 0;
    /// A later status has come.
    virtual void OnStatus(Member& member) = 0;
    /// It has taken another role since the status before.
    virtual void OnRole(Member& member, Role from) = 0;
    /// It could not be reached, or, if it `was_there`, is no more.
    virtual void OnLost(Member& member, bool was_there, const Status& status) = 0;
    /// It is there, has something to do and gets nothing done.
    virtual void OnStuck(Member& member, const Status& status) = 0;
    virtual bool KnowsWorker(const std::string& name) const = 0;
  };

  /// All of it outlives the member.
  struct Surroundings {
    const RouterOptions& options;
    const rpc::DialWorker& dial;
    RouterMetrics& metrics;
    Clock& clock;
    const Post& post;
    PrefixView& prefixes;
    Listener& listener;
  };

  /// With `named_itself` it is lost for good where somebody else answers at its address.
  Member(rpc::PeerAddress address, bool named_itself, const Surroundings& surroundings);

  /// Dials if that is due, gives it up if it is silent; returns when something will be due.
  TimePoint Tick(TimePoint now);
  void Close();
  bool idle() const { return calls_ == 0; }

  const rpc::PeerAddress& address() const { return address_; }
  /// Its name is what it said of itself when it was found.
  bool named_itself() const { return named_itself_; }
  /// It gets no more of our requests, and is not dialed again once it is lost.
  bool leaves_fleet() const { return leaves_fleet_; }
  void LeaveFleet(bool leaves) { leaves_fleet_ = leaves; }
  /// It has said who it is, and sends its status.
  bool there() const { return status_.has_value(); }
  /// Why it is not there.
  const std::string& last_problem() const { return last_problem_; }
  // REQUIRES: there().
  const rpc::WorkerDescription& description() const { return *description_; }
  const rpc::WorkerStatus& status() const { return *status_; }
  Forecast Foretell() const { return forecaster_.Of(*description_, *status_); }
  /// Its number in the prefix view.
  size_t prefixes() const { return *prefixes_; }
  rpc::WorkerClient& client() const { return *client_; }

  /// Its role now. REQUIRES: there().
  Role role() const { return *role_; }
  /// It takes no more in its role, because it ends, changes it or leaves the fleet. REQUIRES:
  /// there().
  bool leaving() const {
    return leaves_fleet_ || status_->draining || status_->changing_to.has_value();
  }
  /// It gets nothing done until further notice.
  bool stuck() const { return stuck_; }
  /// It is there, stays what it is and gets ahead, so that it may be sent more.
  bool takes_requests() const { return there() && !leaving() && !stuck_; }
  /// Asks it to take another role, once what it has in its own has ended or `patience` has passed.
  /// `done` hears whether it will. REQUIRES: there().
  void SetRole(Role role, Duration patience, std::function<void(const Status&)> done);

  /// It has said that it prefills, whether its status has come or not.
  bool prefills() const { return role_ == Role::kPrefill; }
  /// It has said that it does something else.
  bool no_prefill() const { return role_ && !prefills(); }
  /// It has said for so long that it is not joined with that prefill worker. REQUIRES: there().
  bool UnjoinedFor(const std::string& peer, Duration time) const;
  /// Tells it the prefill workers to be joined with. One call at a time, since of two that are
  /// under way the older may arrive last; what is to be told then is told afterwards.
  /// REQUIRES: there().
  void TellPeers(std::vector<rpc::PeerAddress> peers);
  bool telling() const { return telling_; }

  Forecaster& forecaster() { return forecaster_; }
  const Forecaster& forecaster() const { return forecaster_; }
  /// Requests of ours that are there.
  int32_t load() const { return load_; }
  void AddLoad(int32_t change) { load_ += change; }

 private:
  void Dial();
  void Described(const Result<rpc::WorkerDescription>& description);
  void Watch();
  void Watched(rpc::WorkerStatus status);
  void FollowJoins();
  void LookForProgress();
  void Lost(const Status& status);
  void Told(const Status& status);

  const rpc::PeerAddress address_;
  const bool named_itself_;
  const Surroundings surroundings_;
  bool leaves_fleet_ = false;
  bool closed_ = false;
  int calls_ = 0;

  // Dialing -> described -> watched (`status_` set) -> lost -> dialing.
  std::unique_ptr<rpc::WorkerClient> client_;
  std::optional<rpc::WorkerDescription> description_;
  /// Of the description, then of each status.
  std::optional<Role> role_;
  std::optional<rpc::WorkerStatus> status_;
  std::shared_ptr<rpc::Call> watch_;
  /// Counts the watches, so that the end of one that was given up says nothing.
  uint64_t watches_ = 0;
  // While it is watched.
  std::optional<Silence> silence_;
  std::optional<ProgressWatch> progress_;
  bool stuck_ = false;
  std::optional<size_t> prefixes_;
  bool dialing_ = false;
  /// When to dial next.
  TimePoint deadline_{};
  Duration redial_;
  std::string last_problem_;

  /// Prefill workers that it is not joined with, and since when.
  std::map<std::string, TimePoint> unjoined_;
  bool telling_ = false;
  /// What is to be told once it has been told what it is being told.
  std::optional<std::vector<rpc::PeerAddress>> tell_next_;

  Forecaster forecaster_;
  int32_t load_ = 0;
};

}  // namespace baton::router
