#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/rpc/messages.h"

namespace baton::rpc {

/// Ends a call early when asked to. *Threads*: thread-safe. Destroying it leaves the call running.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Cancel() = 0;
};

/// Callbacks come one at a time per call, on gRPC's threads, and must not block. `on_end` is the
/// last one and comes exactly once.
struct GenerateCallbacks {
  std::function<void(std::string route)> on_route;
  std::function<void(TokenOutput output)> on_token;
  std::function<void(Status status)> on_end;
};

struct WatchCallbacks {
  std::function<void(WorkerStatus status)> on_status;
  std::function<void(Status status)> on_end;
};

struct JoinCallbacks {
  /// The peer accepted and described itself.
  std::function<void(JoinHello peer)> on_accepted;
  std::function<void(Status status)> on_end;
};

/// Calls one worker. *Threads*: thread-safe. Notices a dead peer by its closed connection, and a
/// silent one by keep-alive pings.
class WorkerClient {
 public:
  static std::unique_ptr<WorkerClient> Create(const std::string& address);
  virtual ~WorkerClient() = default;

  virtual void Describe(Duration timeout,
                        std::function<void(Result<WorkerDescription>)> on_reply) = 0;
  virtual void SetPeers(const std::vector<PeerAddress>& peers, Duration timeout,
                        std::function<void(Status)> on_reply) = 0;
  virtual std::shared_ptr<Call> Generate(const GenerateCall& call, GenerateCallbacks callbacks) = 0;
  virtual std::shared_ptr<Call> Watch(WatchCallbacks callbacks) = 0;
  virtual std::shared_ptr<Call> Join(const JoinHello& ours, JoinCallbacks callbacks) = 0;
};

/// Makes the client of the worker at an address.
using DialWorker = std::function<std::unique_ptr<WorkerClient>(const std::string& address)>;

}  // namespace baton::rpc
