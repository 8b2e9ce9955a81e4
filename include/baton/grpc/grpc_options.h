#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "baton/access/certificate.h"

namespace baton::grpc {

struct GrpcOptions {
  /// An address or a host name.
  std::string host = "127.0.0.1";
  /// 0 picks a free port; see GrpcServer::port().
  uint16_t port = 0;
  /// Empty: no TLS.
  access::CertificateFiles tls;
  /// Threads that read requests and turn tokens into answers.
  int threads = 2;
  /// Of one request.
  size_t message_bytes = size_t{8} << 20;
  /// Calls under way on one connection; further ones wait at the client.
  int calls_per_connection = 1024;
  /// Bytes of a stream that a slow client may leave unread here, beyond gRPC's own buffers.
  size_t write_backlog_bytes = size_t{1} << 20;
};

}  // namespace baton::grpc
