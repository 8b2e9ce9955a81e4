#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

/// Connection settings that both ends must agree on.
namespace baton::rpc {

/// A channel that redials at once and notices a silent peer by pings.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address);

/// Lets clients ping as often as OpenChannel's do, and send long prompts.
void AllowFrequentPings(grpc::ServerBuilder& builder);

}  // namespace baton::rpc
