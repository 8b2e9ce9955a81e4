#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "baton/base/clock.h"
#include "baton/request/sampling_params.h"

namespace baton::http {

/// What one client may ask of the server. Beyond a limit a request is refused, never the process.
struct HttpLimits {
  size_t header_bytes = size_t{16} << 10;
  size_t body_bytes = size_t{8} << 20;
  int json_depth = 64;
  int connections = 1024;
  /// Completions under way at once; one more is answered 429 with Retry-After.
  int running_requests = 256;
  int prompts_per_request = 64;
  int choices_per_prompt = 16;
  int stop_strings = 16;
  /// Of all stop strings of a request together.
  size_t stop_bytes = 1024;
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

struct HttpOptions {
  /// An address or a host name.
  std::string host = "127.0.0.1";
  /// 0 picks a free port; see HttpServer::port().
  uint16_t port = 0;
  int threads = 2;
  /// The name that clients ask for.
  std::string model;
  /// Tokens of prompt and output together.
  int32_t context_tokens = 0;
  /// What holds where a request says nothing, e.g. from the model's generation_config.json. Its
  /// seed, max_tokens and logprobs are not used.
  SamplingParams sampling_defaults;
  std::string version;
  /// Names the build and model in responses: equal fingerprints give equal tokens for a seed.
  std::string system_fingerprint;
  /// How long a stream's header waits for the route, which it names.
  Duration route_wait = std::chrono::seconds(2);
  /// Between comment lines while a stream has nothing to say, so that proxies keep it open.
  Duration keep_alive_interval = std::chrono::seconds(5);
  /// How long Drain() lets running requests go on.
  Duration drain_grace = std::chrono::seconds(30);
  HttpLimits limits;
};

}  // namespace baton::http
