#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "baton/access/certificate.h"
#include "baton/base/clock.h"
#include "baton/base/ip_network.h"

namespace baton::http {

/// What one client may take of the server. Beyond a limit it is refused, never the process.
struct HttpLimits {
  size_t header_bytes = size_t{16} << 10;
  size_t body_bytes = size_t{8} << 20;
  int connections = 1024;
  /// Bytes of a stream that a slow client may leave unread here, beyond the socket's own buffer.
  size_t write_backlog_bytes = size_t{1} << 20;
  /// Between two requests of a connection.
  Duration idle_timeout = std::chrono::seconds(75);
  /// From a request's first byte to the end of its header.
  Duration header_timeout = std::chrono::seconds(10);
  /// From the end of the header to the end of the body.
  Duration body_timeout = std::chrono::seconds(60);
  /// For a client to take any byte of an answer.
  Duration write_timeout = std::chrono::seconds(30);
};

/// Which paths a server has: those for clients, those for operators, or both; or, of a worker, those
/// for clients and its metrics, for which no key is asked.
enum class HttpSurface : uint8_t { kAll, kClients, kOperators, kWorker };

struct HttpOptions {
  HttpSurface surface = HttpSurface::kAll;
  /// An address or a host name.
  std::string host = "127.0.0.1";
  /// 0 picks a free port; see HttpServer::port().
  uint16_t port = 0;
  int threads = 2;
  /// Empty: no TLS.
  access::CertificateFiles tls;
  /// How long a stream's header waits for the route, which it names.
  Duration route_wait = std::chrono::seconds(2);
  /// Between comment lines while a stream has nothing to say, so that proxies keep it open.
  Duration keep_alive_interval = std::chrono::seconds(5);
  /// How long Drain() lets running requests go on.
  Duration drain_grace = std::chrono::seconds(30);
  /// Whose picks of prefill workers are followed.
  std::vector<IpNetwork> trusted_peers = {};
  HttpLimits limits;
};

}  // namespace baton::http
