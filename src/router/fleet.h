#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/router/router.h"
#include "baton/rpc/client.h"
#include "fleet_state.h"
#include "metrics.h"
#include "prefix_view.h"
#include "routing_policy.h"

namespace baton::router {

/// Who is there and how loaded: dials each worker, asks who it is, watches its status, tells decode
/// workers their prefill peers, and starts over when a worker is lost.
/// *Threads*: lives on the router's thread; `post` brings gRPC's callbacks there.
/// REQUIRES: Close() and then idle() before it is destroyed.
class Fleet {
 public:
  using Post = std::function<void(std::function<void()>)>;
  /// A worker that was there is no more: calls to it are to be given up.
  using OnLost = std::function<void(const std::string& worker, const Status& status)>;

  Fleet(const RouterOptions& options, rpc::DialWorker dial, RouterMetrics& metrics, Clock& clock,
        Post post, OnLost on_lost);

  /// Dials what is due, gives up what is silent; returns when something will be due.
  TimePoint Tick(TimePoint now);
  void Close();
  bool idle() const { return calls_ == 0; }

  /// The workers that can take requests.
  std::vector<WorkerView> Views() const;
  /// With what can be foretold of them for a request; valid until the fleet changes.
  std::vector<WorkerView> Views(const Request& request) const;
  /// REQUIRES: a name out of Views().
  rpc::WorkerClient& Client(const std::string& name);
  // What requests of ours do at a worker; ignored for one that is unknown.
  /// KV of so many tokens will be held there.
  void Promise(const std::string& name, int64_t tokens);
  /// `prefill` is to be computed there; KV of `tokens` will be held.
  void BeginPrefill(const std::string& name, const cost::StepShape& prefill, int64_t tokens);
  void EndPrefill(const std::string& name, const cost::StepShape& prefill);
  /// A request is there, which will decode or does.
  void AddLoad(const std::string& name, int32_t change);
  /// A sequence that holds so many tokens draws one in each step from now on, or no more.
  void BeginDecode(const std::string& name, int64_t context);
  void EndDecode(const std::string& name, int64_t context);
  std::vector<telemetry::MetricsSnapshot> Metrics() const;
  /// Of all workers, those that are not there too.
  std::vector<WorkerState> State() const;
  /// Grows with every change of Views() but for the load, and of Metrics().
  uint64_t version() const { return version_; }

 private:
  struct Member;

  void Dial(const std::shared_ptr<Member>& member);
  void Described(const std::shared_ptr<Member>& member,
                 const Result<rpc::WorkerDescription>& description);
  void Watch(const std::shared_ptr<Member>& member);
  void Watched(const std::shared_ptr<Member>& member, rpc::WorkerStatus status);
  /// Takes what a status says about the worker's speed, its load and its prefix cache.
  void Learn(Member& member, const rpc::WorkerStatus& status);
  Forecast ForecastOf(const Member& member) const;
  void Lost(const std::shared_ptr<Member>& member, const Status& status);
  static bool IsPrefill(const Member& member);
  /// A decode worker says that it is, or tries to be, joined with that prefill worker.
  static bool HasPeer(const Member& decode, const std::string& name);
  /// A decode worker does not know of a prefill worker that is there: what it was told last came
  /// late, or from another router.
  bool LacksPeer(const Member& decode) const;
  void TellPeers();
  void TellPeers(const std::shared_ptr<Member>& decode);

  const RouterOptions options_;
  const rpc::DialWorker dial_;
  RouterMetrics& metrics_;
  Clock& clock_;
  const Post post_;
  const OnLost on_lost_;
  std::map<std::string, std::shared_ptr<Member>> members_;
  PrefixView prefixes_;
  int calls_ = 0;
  bool closed_ = false;
  uint64_t version_ = 0;
};

}  // namespace baton::router
