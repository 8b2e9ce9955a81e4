#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/discovery/source.h"
#include "baton/router/router.h"
#include "baton/rpc/client.h"
#include "fleet_state.h"
#include "member.h"
#include "metrics.h"
#include "newcomer.h"
#include "peer_lists.h"
#include "prefix_view.h"
#include "role_capacity.h"
#include "routing_policy.h"

namespace baton::router {

/// A worker of the configuration by its role.
struct RoleView {
  std::string name;
  bool there = false;
  // While it is there.
  Role role = Role::kMixed;
  Epoch epoch;
  bool leaving = false;
  /// It can serve: no other worker is there of the role that it works with, or one is joined.
  bool settled = false;
  /// Requests of ours.
  int32_t load = 0;
};

/// Who is there and how loaded: all workers, and which decode workers are joined with which prefill
/// workers. Those of the options belong to it for good, others as they are found.
/// *Threads*: lives on the router's thread; `post` brings gRPC's callbacks there.
/// REQUIRES: Close() and then idle() before it is destroyed.
class Fleet final : private Member::Listener {
 public:
  using Post = Member::Post;
  /// A worker that was there is no more, or (DeadlineExceeded) is stuck: calls to it are to be
  /// given up.
  using OnLostWorker = std::function<void(const std::string& worker, const Status& status)>;

  Fleet(const RouterOptions& options, rpc::DialWorker dial, RouterMetrics& metrics, Clock& clock,
        Post post, OnLostWorker on_lost);

  /// Dials what is due, gives up what is silent; returns when something will be due.
  TimePoint Tick(TimePoint now);
  void Close();
  bool idle() const;

  /// All places at which a worker was found. One that is there and is not found any more gets no
  /// more requests, and leaves once those that it has of ours have ended.
  void SetPlaces(const std::vector<discovery::Place>& found);
  /// The names of those who left so long ago that what is kept of them is to be forgotten; each
  /// comes once.
  std::vector<std::string> TakeForgotten(TimePoint now);
  /// Shows in the metrics how many workers there are.
  void CountWorkers();

  /// The workers that can take requests. Where those cannot serve by their roles because somebody
  /// changes his, decode workers, or without any the prefill workers, count as mixed meanwhile.
  std::vector<WorkerView> Views() const;
  /// With what can be foretold of them for a request; valid until the fleet changes.
  std::vector<WorkerView> Views(const Request& request) const;
  /// REQUIRES: a name out of Views().
  rpc::WorkerClient& Client(const std::string& name);
  /// Whether one request more would not only wait in a worker's queue: somebody who generates, with
  /// `local` prefill workers too, runs fewer sequences than it can, and whoever prefills for it, or
  /// with `local` it itself, has less to do than a step's worth or RouterOptions::worker_queue.
  bool HasRoom(bool local) const;
  /// RouterOptions::worker_queue from now on.
  void SetWorkerQueue(Duration worker_queue) {
    options_.worker_queue = worker_queue;
    ++room_version_;
  }
  /// Grows with what may make room.
  uint64_t room_version() const { return room_version_; }
  /// Requests of ours there.
  int32_t load(const std::string& name) const;
  // What requests of ours do at a worker; ignored for one that is unknown.
  /// KV of so many tokens will be held there.
  void Promise(const std::string& name, int64_t tokens);
  /// `prefill` is to be computed there; KV of `tokens` will be held.
  void BeginPrefill(const std::string& name, const cost::StepShape& prefill, int64_t tokens);
  void BeginComing(const std::string& name, int64_t context);
  void EndComing(const std::string& name, int64_t context);
  void EndPrefill(const std::string& name, const cost::StepShape& prefill);
  /// A request is there, which will decode or does.
  void AddLoad(const std::string& name, int32_t change);
  /// A sequence that holds so many tokens draws one in each step from now on, or no more.
  void BeginDecode(const std::string& name, int64_t context);
  void EndDecode(const std::string& name, int64_t context);
  std::vector<RoleView> Roles() const;
  /// Of all workers, whatever their role; empty where too little is known of one. `tokens`: whose KV
  /// a hand-over moves.
  std::vector<WorkerSpeed> Speeds(int64_t tokens) const;
  /// Asks a worker to take another role; `done` hears whether it will. Fails there with Unavailable
  /// for one that is not there.
  void SetRole(const std::string& name, Role role, Duration patience,
               std::function<void(const Status&)> done);
  /// Of those that are there; of `only`, unless empty.
  std::vector<telemetry::MetricsSnapshot> Metrics(const std::string& only) const;
  /// Of all workers, those that are not there too.
  std::vector<WorkerState> State() const;
  /// Grows with every change of Views() but for the load, and of Metrics().
  uint64_t version() const { return version_; }

 private:
  void OnThere(Member& member) override;
  void OnStatus(Member& member) override;
  void OnRole(Member& member, Role from) override;
  void OnLost(Member& member, bool was_there, const Status& status) override;
  void OnStuck(Member& member, const Status& status) override {
    on_lost_(member.address().name, status);
  }
  // fleet_membership.cc
  bool IsWanted(const std::string& name, const std::string& address) const;
  /// Makes the fleet what `places_` says, as far as that can be now.
  void Reconcile();
  void Reconcile(Member& member);
  bool HasMemberAt(const std::string& address) const;
  void Admit(const rpc::PeerAddress& worker, bool named_itself);
  TimePoint TickNewcomers(TimePoint now);
  /// Takes it into the fleet, or says why not.
  bool Welcome(Newcomer& newcomer, const std::string& name);
  /// Whether anybody left.
  bool Sweep(TimePoint now);
  void Retire(std::unique_ptr<Newcomer> newcomer);

  bool KnowsWorker(const std::string& name) const override { return members_.contains(name); }

  Member* Find(const std::string& name) const;
  /// Whether it runs as many sequences as it can, and has enough to prefill.
  static bool IsFull(const Member& member);
  bool IsBusy(const Member& member, const Forecast& forecast) const;
  bool Settled(const Member& member) const;
  void FollowRoleChange(const Member& member);
  /// The role whose workers count as mixed for now.
  std::optional<Role> StandIns() const;
  bool JoinedWithPrefill(const Member& decode) const;
  /// Refreshed.
  const PeerKnowledgeByName& KnownPeers();
  void TellPeers();
  void TellPeers(Member& decode);

  RouterOptions options_;
  const rpc::DialWorker dial_;
  RouterMetrics& metrics_;
  Clock& clock_;
  const Post post_;
  const OnLostWorker on_lost_;
  PrefixView prefixes_;
  const Member::Surroundings surroundings_;
  std::vector<discovery::Place> places_;
  std::map<std::string, std::unique_ptr<Member>> members_;
  /// By address.
  std::map<std::string, std::unique_ptr<Newcomer>> newcomers_;
  /// Nobody's any more, with calls that have not ended.
  std::vector<std::unique_ptr<Member>> closing_;
  std::vector<std::unique_ptr<Newcomer>> closing_newcomers_;
  /// Somebody changes his role, or has and may not be joined with everybody yet.
  TimePoint roles_change_until_{};
  /// Until when it is remembered of a name that it has left.
  std::map<std::string, TimePoint> gone_;
  /// Until when what is kept of whoever had that name stays.
  std::map<std::string, TimePoint> forget_;
  PeerKnowledgeByName known_peers_;
  bool closed_ = false;
  uint64_t version_ = 0;
  uint64_t room_version_ = 0;
};

}  // namespace baton::router
