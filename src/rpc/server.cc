#include "baton/rpc/server.h"

#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "baton/base/logging.h"
#include "baton/v1/worker.grpc.pb.h"
#include "channel.h"
#include "convert.h"
#include "server_streams.h"

namespace baton::rpc {
namespace {

class WorkerService final : public v1::Worker::CallbackService {
 public:
  WorkerService(WorkerHandler& handler, Duration status_interval)
      : handler_(handler), status_interval_(status_interval) {}

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const v1::DescribeRequest*,
                                     v1::WorkerDescription* reply) override {
    ToProto(handler_.Describe(), reply);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* SetPeers(grpc::CallbackServerContext* context,
                                     const v1::SetPeersRequest* request,
                                     v1::SetPeersReply*) override {
    std::vector<PeerAddress> peers;
    for (const v1::Peer& peer : request->peers()) {
      peers.push_back({.name = peer.name(), .address = peer.address()});
    }
    handler_.SetPeers(std::move(peers));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* SetRole(grpc::CallbackServerContext* context,
                                    const v1::SetRoleRequest* request, v1::SetRoleReply*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (!v1::Role_IsValid(request->role())) {
      reactor->Finish(ToGrpc(InvalidArgument("unknown role " + std::to_string(request->role()))));
      return reactor;
    }
    reactor->Finish(ToGrpc(handler_.SetRole(static_cast<Role>(request->role()),
                                            std::chrono::milliseconds(request->drain_ms()))));
    return reactor;
  }

  grpc::ServerWriteReactor<v1::GenerateEvent>* Generate(
      grpc::CallbackServerContext*, const v1::GenerateRequest* request) override {
    const auto stream = GenerateReactor::Make(handler_, request->several_tokens());
    handler_.OnGenerate(FromProto(*request), stream);
    return stream.get();
  }

  grpc::ServerWriteReactor<v1::WorkerStatus>* Watch(grpc::CallbackServerContext*,
                                                    const v1::WatchRequest*) override {
    return new WatchReactor(handler_, status_interval_);
  }

  grpc::ServerBidiReactor<v1::JoinHello, v1::JoinHello>* Join(
      grpc::CallbackServerContext*) override {
    return JoinReactor::Make(handler_).get();
  }

 private:
  WorkerHandler& handler_;
  const Duration status_interval_;
};

/// A server of some service, or of none but grpc.health.v1.
class ListeningServer {
 public:
  ~ListeningServer() { Shutdown(); }

  Status Listen(const std::string& address, const FleetTls& tls, grpc::Service* service) {
    const size_t colon = address.rfind(':');
    if (colon == std::string::npos) {
      return InvalidArgument("a listening address is host:port, got '" + address + "'");
    }
    int port = 0;
    // Whoever supervises processes asks this whether ours still answers.
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    // A second process on the same port would silently take half of the connections.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    AllowFrequentPings(builder);
    builder.AddListeningPort(address, FleetServerCredentials(tls), &port);
    if (service != nullptr) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return Unavailable("cannot listen on " + address + "; is the port taken?");
    }
    address_ = address.substr(0, colon + 1) + std::to_string(port);
    return OkStatus();
  }

  const std::string& address() const { return address_; }

  void Shutdown() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

class GrpcWorkerServer final : public WorkerServer {
 public:
  GrpcWorkerServer(WorkerHandler& handler, Duration status_interval)
      : service_(handler, status_interval) {}

  Status Listen(const std::string& address, const FleetTls& tls) {
    return server_.Listen(address, tls, &service_);
  }
  std::string address() const override { return server_.address(); }
  void Shutdown() override { server_.Shutdown(); }

 private:
  WorkerService service_;
  ListeningServer server_;
};

class GrpcHealthServer final : public HealthServer {
 public:
  Status Listen(const std::string& address, const FleetTls& tls) {
    return server_.Listen(address, tls, nullptr);
  }
  std::string address() const override { return server_.address(); }

 private:
  ListeningServer server_;
};

}  // namespace

Result<std::unique_ptr<WorkerServer>> WorkerServer::Start(const std::string& address,
                                                          WorkerHandler& handler,
                                                          Duration status_interval,
                                                          const FleetTls& tls) {
  auto server = std::make_unique<GrpcWorkerServer>(handler, status_interval);
  BATON_RETURN_IF_ERROR(server->Listen(address, tls));
  return std::unique_ptr<WorkerServer>(std::move(server));
}

Result<std::unique_ptr<HealthServer>> HealthServer::Start(const std::string& address,
                                                          const FleetTls& tls) {
  auto server = std::make_unique<GrpcHealthServer>();
  BATON_RETURN_IF_ERROR(server->Listen(address, tls));
  return std::unique_ptr<HealthServer>(std::move(server));
}

}  // namespace baton::rpc
