#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "baton/rpc/fleet_tls.h"

/// Connection settings that both ends must agree on.
namespace baton::rpc {

/// A channel that redials at once and notices a silent peer by pings.
std::shared_ptr<grpc::Channel> OpenChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials);

/// Shows the fleet's certificate, and goes on only with who does, or without one with anybody.
std::shared_ptr<grpc::ChannelCredentials> FleetChannelCredentials(const FleetTls& tls);
/// Admits who has a certificate of the fleet's authority, or without one whoever comes.
std::shared_ptr<grpc::ServerCredentials> FleetServerCredentials(const FleetTls& tls);

/// Lets clients ping as often as OpenChannel's do, and send long prompts.
void AllowFrequentPings(grpc::ServerBuilder& builder);

}  // namespace baton::rpc
