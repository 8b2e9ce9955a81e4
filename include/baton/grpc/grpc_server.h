#pragma once

#include <cstdint>
#include <memory>

#include "baton/api/frontend.h"
#include "baton/base/status.h"
#include "baton/grpc/grpc_options.h"

namespace baton::grpc {

/// The API over gRPC: proto/baton/v1/completion.proto, grpc.health.v1 and server reflection. The
/// latter two ask nobody for a key.
/// *Threads*: owns its threads; its own calls come from one thread.
class GrpcServer {
 public:
  /// REQUIRES: `frontend` outlives the server.
  /// *Fails with* Unavailable when it cannot listen there.
  static Result<std::unique_ptr<GrpcServer>> Start(GrpcOptions options, api::Frontend& frontend);
  /// Stops.
  ~GrpcServer();

  uint16_t port() const;

  /// Cancels what still runs, closes every connection and joins the threads. Until then it goes on
  /// with what was taken, and says by its health when the frontend drains.
  void Stop();

 private:
  struct Parts;
  explicit GrpcServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::grpc
