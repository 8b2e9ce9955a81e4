#pragma once

#include <cstdint>
#include <memory>

#include "baton/api/frontend.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/http/http_options.h"

namespace baton::http {

/// The OpenAI-compatible HTTP surface: requests become token ids for the backend, and its tokens
/// become text, in one body or as server-sent events.
/// *Threads*: owns its I/O threads; its own calls come from one thread.
class HttpServer {
 public:
  /// REQUIRES: all references outlive the server.
  /// *Fails with* InvalidArgument for a host that is none; Unavailable when the port is taken.
  static Result<std::unique_ptr<HttpServer>> Start(HttpOptions options, api::Frontend& frontend,
                                                   Clock& clock);
  /// Stops.
  ~HttpServer();

  uint16_t port() const;

  /// Takes no more connections and completions, reports not ready, and waits until the running
  /// completions have been answered. False when `drain_grace` passed before that.
  bool Drain();

  /// Cancels what still runs, closes every connection and joins the threads.
  void Stop();

 private:
  struct Parts;
  explicit HttpServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::http
