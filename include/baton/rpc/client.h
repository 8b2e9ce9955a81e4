#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/rpc/fleet_tls.h"
#include "baton/rpc/messages.h"

namespace baton::rpc {

/// Ends a call early when asked to. *Threads*: thread-safe. Destroying it leaves the call running.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Cancel() = 0;
};

/// A join from the decode worker's end.
class JoinCall : public Call {
 public:
  /// Shows the peer that we are there; nothing while an earlier sign has not left yet.
  virtual void SendAlive() = 0;
};

/// Callbacks come one at a time per call, on gRPC's threads, and must not block. `on_end` is the
/// last one and comes exactly once.
struct GenerateCallbacks {
  std::function<void(std::string route)> on_route;
  std::function<void(TokenOutput output)> on_token;
  /// For requests that ask for timings or a trace; may be empty.
  std::function<void(GenerateReport report)> on_report;
  std::function<void(Status status)> on_end;
};

struct WatchCallbacks {
  std::function<void(WorkerStatus status)> on_status;
  std::function<void(Status status)> on_end;
};

struct JoinCallbacks {
  /// The peer accepted and described itself.
  std::function<void(JoinHello peer)> on_accepted;
  /// The peer gave a sign of life.
  std::function<void()> on_alive;
  /// The peer wants no more offers, and the call to end once nothing is under way; may be empty.
  std::function<void()> on_leaving;
  std::function<void(Status status)> on_end;
};

/// Calls one worker, over a connection of its own. *Threads*: thread-safe. Notices a dead peer by
/// its closed connection. One that is silent it notices only after seconds, by keep-alive pings:
/// whoever keeps a call open watches for signs of life in it.
class WorkerClient {
 public:
  static std::unique_ptr<WorkerClient> Create(const std::string& address);
  virtual ~WorkerClient() = default;

  virtual void Describe(Duration timeout,
                        std::function<void(Result<WorkerDescription>)> on_reply) = 0;
  virtual void SetPeers(const std::vector<PeerAddress>& peers, Duration timeout,
                        std::function<void(Status)> on_reply) = 0;
  virtual void SetRole(Role role, Duration patience, Duration timeout,
                       std::function<void(Status)> on_reply) = 0;
  virtual std::shared_ptr<Call> Generate(const GenerateCall& call, GenerateCallbacks callbacks) = 0;
  virtual std::shared_ptr<Call> Watch(WatchCallbacks callbacks) = 0;
  virtual std::shared_ptr<JoinCall> Join(const JoinHello& ours, JoinCallbacks callbacks) = 0;
};

/// Makes the client of the worker at an address.
using DialWorker = std::function<std::unique_ptr<WorkerClient>(const std::string& address)>;

/// Makes clients over gRPC that show the fleet's certificate, and call only who has one too.
DialWorker DialOverGrpc(const FleetTls& tls);

}  // namespace baton::rpc
