#include "channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace baton::rpc {
namespace {

namespace experimental = grpc::experimental;

constexpr int kPingIntervalMs = 2000;
constexpr int kPingTimeoutMs = 5000;
/// What a connection may take to be made; it fails at once where nobody listens.
constexpr int kDialTimeoutMs = 1000;
constexpr int kRedialMinMs = 20;
constexpr int kRedialMaxMs = 100;
constexpr int kMaxMessageBytes = 64 << 20;

/// How often files are looked at.
constexpr unsigned kReadIntervalS = 1;

std::shared_ptr<experimental::FileWatcherCertificateProvider> WatchFiles(const FleetTls& tls) {
  return std::make_shared<experimental::FileWatcherCertificateProvider>(
      tls.key, tls.certificate, tls.authority, kReadIntervalS);
}

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> FleetChannelCredentials(const FleetTls& tls) {
  if (tls.empty()) return grpc::InsecureChannelCredentials();
  experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(WatchFiles(tls));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // The chain to the authority is checked; the name is not, as workers are known by address.
  options.set_certificate_verifier(std::make_shared<experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  return experimental::TlsCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> FleetServerCredentials(const FleetTls& tls) {
  if (tls.empty()) return grpc::InsecureServerCredentials();
  experimental::TlsServerCredentialsOptions options(WatchFiles(tls));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::Channel> OpenChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // gRPC's name for the time that one attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kDialTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kRedialMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kRedialMaxMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Else a new channel would share the connection of an old one that nothing comes over.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

void AllowFrequentPings(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMs / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
}

}  // namespace baton::rpc
