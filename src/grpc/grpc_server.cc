#include "baton/grpc/grpc_server.h"

#include <string>
#include <thread>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <pthread.h>

#include "baton/base/gate.h"
#include "service.h"

namespace baton::grpc {

namespace {

/// How often the health follows the fleet's readiness.
constexpr Duration kHealthInterval = std::chrono::milliseconds(100);
/// A client that vanished is noticed by pings.
constexpr int kPingIntervalMs = 30000;
constexpr int kPingTimeoutMs = 10000;
/// Clients may ping this often.
constexpr int kLeastPingIntervalMs = 5000;

std::string Join(const std::string& host, uint16_t port) {
  const bool bare_v6 = host.find(':') != std::string::npos && host.front() != '[';
  return (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

/// Files are looked at once a second.
std::shared_ptr<::grpc::ServerCredentials> Credentials(const access::CertificateFiles& files) {
  if (files.empty()) return ::grpc::InsecureServerCredentials();
  ::grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<::grpc::experimental::FileWatcherCertificateProvider>(
          files.key, files.certificate, /*refresh_interval_sec=*/1));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return ::grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

struct GrpcServer::Parts {
  Parts(GrpcOptions given, api::Frontend& shared)
      : options(std::move(given)),
        frontend(shared),
        threads(options.threads),
        service(frontend, options, threads) {}

  Status Listen();
  /// Tells the health service until `stopped` opens.
  void FollowReadiness();
  void TellHealth();

  const GrpcOptions options;
  api::Frontend& frontend;
  CallThreads threads;
  CompletionService service;
  int port = 0;
  std::unique_ptr<::grpc::Server> server;
  Gate stopped;
  std::thread health;
};

Status GrpcServer::Parts::Listen() {
  ::grpc::EnableDefaultHealthCheckService(true);
  ::grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  ::grpc::ServerBuilder builder;
  // A second process on the same port would silently take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.calls_per_connection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastPingIntervalMs);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes));
  const std::string address = Join(options.host, options.port);
  builder.AddListeningPort(address, Credentials(options.tls), &port);
  builder.RegisterService(&service);
  server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return Unavailable("cannot listen for gRPC on " + address + "; is the port taken?");
  }
  TellHealth();
  health = std::thread([this] { FollowReadiness(); });
  return OkStatus();
}

void GrpcServer::Parts::TellHealth() {
  const bool ready = frontend.backend().Ready().ready && !frontend.running().draining();
  server->GetHealthCheckService()->SetServingStatus(v1::Completion::service_full_name(), ready);
  server->GetHealthCheckService()->SetServingStatus(ready);
}

void GrpcServer::Parts::FollowReadiness() {
  pthread_setname_np(pthread_self(), "grpc-health");
  while (!stopped.Wait(kHealthInterval)) TellHealth();
}

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(GrpcOptions options,
                                                      api::Frontend& frontend) {
  if (options.threads < 1) return InvalidArgument("the gRPC server needs at least one thread");
  if (!options.tls.empty()) BATON_RETURN_IF_ERROR(access::CheckCertificate(options.tls));
  auto parts = std::make_unique<Parts>(std::move(options), frontend);
  BATON_RETURN_IF_ERROR(parts->Listen());
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts)));
}

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
GrpcServer::~GrpcServer() { Stop(); }

uint16_t GrpcServer::port() const { return static_cast<uint16_t>(parts_->port); }

void GrpcServer::Stop() {
  if (!parts_->server) return;
  parts_->stopped.Open();
  parts_->health.join();
  parts_->server->Shutdown(std::chrono::system_clock::now());
  parts_->server->Wait();
  parts_->server.reset();
}

}  // namespace baton::grpc
