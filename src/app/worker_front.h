#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "baton/base/clock.h"
#include "baton/base/gate.h"
#include "baton/config/config.h"
#include "baton/http/http_server.h"
#include "router_parts.h"

namespace baton::app {

/// The API in the process of one worker, for gateways that pick workers themselves: a router of its
/// own, which finds the others as router.discovery says, and has this worker generate what comes.
/// *Threads*: those of a router and of HTTP, and one that awaits the stop; its own calls come from
/// one thread.
class WorkerFront {
 public:
  struct Options {
    /// The worker's name.
    std::string worker;
    /// "host:port".
    std::string listen;
  };
  /// *Fails with* InvalidArgument for what cannot be served there. `clock` outlives this. With the
  /// stop it drains, beside the worker.
  static Result<std::unique_ptr<WorkerFront>> Start(const config::Config& config,
                                                    const Options& options, Clock& clock,
                                                    std::stop_token stop);
  /// Lets what is under way end, on other workers where this one is gone, within timeouts.drain.
  ~WorkerFront();

  /// Logs all requests under way when `asked` has grown.
  void LookAtDumps(int asked);

 private:
  WorkerFront(std::unique_ptr<RouterParts> parts, std::unique_ptr<http::HttpServer> server,
              std::stop_token stop);

  const std::unique_ptr<RouterParts> parts_;
  const std::unique_ptr<http::HttpServer> server_;
  int dumps_ = 0;
  /// Somebody wants it to end.
  Gate ending_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::jthread drain_;
};

}  // namespace baton::app
