#include "worker_front.h"

#include <utility>

#include "baton/app/options.h"
#include "baton/base/endpoint.h"
#include "baton/base/logging.h"

namespace baton::app {
namespace {

Result<http::HttpOptions> ToFrontOptions(const config::Config& config, const std::string& listen) {
  http::HttpOptions options = ToHttpOptions(config);
  options.surface = http::HttpSurface::kWorker;
  const auto endpoint = ParseEndpoint(listen);
  if (!endpoint || endpoint->host.empty()) {
    return InvalidArgument("--http " + listen + " is not HOST:PORT, e.g. 0.0.0.0:8000");
  }
  options.host = endpoint->host;
  options.port = endpoint->port;
  const Status allowed = config::CheckClientHost(config.router, options.host);
  if (!allowed.ok()) return InvalidArgument("--http is " + allowed.message());
  return options;
}

}  // namespace

Result<std::unique_ptr<WorkerFront>> WorkerFront::Start(const config::Config& config,
                                                        const Options& options, Clock& clock,
                                                        std::stop_token stop) {
  BATON_ASSIGN_OR_RETURN(const http::HttpOptions http_options,
                         ToFrontOptions(config, options.listen));
  BATON_ASSIGN_OR_RETURN(router::RouterOptions router_options, ToRouterOptions(config, {}));
  router_options.own_worker = options.worker;
  // Roles are for the routers to choose that see all requests.
  router_options.auto_ratio = false;
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<RouterParts> parts,
                         MakeRouterParts(config, router_options, clock));
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<http::HttpServer> server,
                         http::HttpServer::Start(http_options, *parts->frontend, clock));
  BATON_LOG(Info) << "clients on " << (http_options.tls.empty() ? "http://" : "https://")
                  << http_options.host << ":" << server->port();
  return std::unique_ptr<WorkerFront>(
      new WorkerFront(std::move(parts), std::move(server), std::move(stop)));
}

WorkerFront::WorkerFront(std::unique_ptr<RouterParts> parts,
                         std::unique_ptr<http::HttpServer> server, std::stop_token stop)
    : parts_(std::move(parts)),
      server_(std::move(server)),
      on_stop_(std::move(stop), [this] { ending_.Open(); }),
      drain_([this] {
        while (!ending_.Wait(std::chrono::hours(1))) {
        }
        if (server_->Drain()) return;
        BATON_LOG(Warning) << parts_->router->RequestsUnderWay()
                           << " completions are cut off: the time for draining has passed";
      }) {}

WorkerFront::~WorkerFront() {
  ending_.Open();
  drain_.join();
  server_->Stop();
}

void WorkerFront::LookAtDumps(int asked) {
  if (std::exchange(dumps_, asked) != asked) parts_->router->DumpWork("asked by SIGUSR1");
}

}  // namespace baton::app
