#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/rpc/fleet_tls.h"
#include "baton/rpc/messages.h"

namespace baton::rpc {

/// The worker's end of one Generate call. *Threads*: thread-safe; events are sent in order.
class GenerateStream {
 public:
  virtual ~GenerateStream() = default;
  /// False once the call has ended or its client reads too slowly to go on.
  virtual bool SendRoute(const std::string& route) = 0;
  virtual bool SendToken(const TokenOutput& output) = 0;
  /// A stream that nobody asks for timings or traces may leave this as it is.
  virtual bool SendReport(const GenerateReport&) { return true; }
  /// Ends the call after what was sent; later calls have no effect.
  virtual void Finish(const Status& status) = 0;
};

/// The prefill worker's end of one Join call.
class JoinStream {
 public:
  virtual ~JoinStream() = default;
  /// Answers the joining peer; from here on the two are joined.
  virtual void Accept(const JoinHello& ours) = 0;
  /// Shows the peer that we are there; nothing while an earlier sign has not left yet.
  virtual void SendAlive() = 0;
  /// Asks the peer to offer nothing more and to end the call once nothing is under way. After
  /// Accept(). A peer that does not know what this means takes it for a sign of life.
  virtual void SendLeaving() = 0;
  /// Ends the call, before or after it was accepted.
  virtual void Refuse(const Status& status) = 0;
};

/// What the worker does when it is called. Calls come on gRPC's threads and must not block.
class WorkerHandler {
 public:
  virtual ~WorkerHandler() = default;
  virtual WorkerDescription Describe() = 0;
  virtual WorkerStatus CurrentStatus() = 0;
  /// The next part of what the watcher with this cursor is to know of the prefix cache.
  virtual kv::PrefixUpdate NextPrefixes(kv::PrefixCursor&) { return {}; }
  virtual void SetPeers(std::vector<PeerAddress> peers) = 0;
  /// Changes the role, once what runs in the old one has ended or `patience` has passed; the one
  /// that it has calls that off. The status tells how far it is.
  virtual Status SetRole(Role, Duration /*patience*/) {
    return Unimplemented("this worker keeps its role");
  }

  /// The call is known by `stream` until OnGenerateEnded.
  virtual void OnGenerate(GenerateCall call, std::shared_ptr<GenerateStream> stream) = 0;
  /// The client is gone or the call has finished; no more can be sent.
  virtual void OnGenerateEnded(GenerateStream* stream) = 0;

  virtual void OnJoin(JoinHello peer, std::shared_ptr<JoinStream> stream) = 0;
  /// The peer gave a sign of life.
  virtual void OnJoinAlive(JoinStream* stream) = 0;
  /// The peer is lost, or the join was refused.
  virtual void OnJoinEnded(JoinStream* stream) = 0;
};

/// Serves a worker's gRPC interface, and grpc.health.v1. *Threads*: thread-safe.
class WorkerServer {
 public:
  /// Listens on `address` ("host:port", port 0 chooses). `handler` outlives the server.
  /// With `tls`, a caller without a certificate of the fleet reaches no handler. Fails with
  /// Unavailable when the address cannot be bound.
  static Result<std::unique_ptr<WorkerServer>> Start(const std::string& address,
                                                     WorkerHandler& handler,
                                                     Duration status_interval,
                                                     const FleetTls& tls = {});
  virtual ~WorkerServer() = default;
  /// "host:port" with the port in use.
  virtual std::string address() const = 0;
  /// Ends all calls and waits until no handler is running.
  virtual void Shutdown() = 0;
};

/// Serves grpc.health.v1 alone, for whoever supervises a process that nobody calls.
class HealthServer {
 public:
  /// As WorkerServer::Start().
  static Result<std::unique_ptr<HealthServer>> Start(const std::string& address,
                                                     const FleetTls& tls = {});
  virtual ~HealthServer() = default;
  virtual std::string address() const = 0;
};

}  // namespace baton::rpc
