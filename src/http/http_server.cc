#include "baton/http/http_server.h"

#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "baton/base/logging.h"
#include "listener.h"
#include "routes.h"

namespace baton::http {

namespace {

/// For connections to close when the server stops; they only have to be told.
constexpr Duration kStopTimeout = std::chrono::seconds(5);

}  // namespace

struct HttpServer::Parts {
  Parts(HttpOptions given, std::unique_ptr<TlsContext> certificate, api::Frontend& shared,
        Clock& clock)
      : options(std::move(given)),
        tls(std::move(certificate)),
        frontend(shared),
        routes(frontend, options),
        setup{options,        routes, frontend.running(),
              frontend.ids(), clock,  std::make_shared<PostGate>(),
              tls.get()},
        io(std::make_unique<boost::asio::io_context>(options.threads)) {}

  const HttpOptions options;
  const std::unique_ptr<TlsContext> tls;
  api::Frontend& frontend;
  Routes routes;
  const ConnectionSetup setup;
  std::unique_ptr<boost::asio::io_context> io;
  std::shared_ptr<Listener> listener;
  uint16_t port = 0;
  std::vector<std::thread> threads;
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpOptions options, api::Frontend& frontend,
                                                      Clock& clock) {
  if (options.threads < 1) return InvalidArgument("the HTTP server needs at least one thread");
  std::unique_ptr<TlsContext> tls;
  if (!options.tls.empty()) {
    BATON_ASSIGN_OR_RETURN(tls, TlsContext::Load(options.tls, clock));
  }
  auto parts = std::make_unique<Parts>(std::move(options), std::move(tls), frontend, clock);
  BATON_ASSIGN_OR_RETURN(parts->listener, Listener::Open(*parts->io, parts->setup));
  parts->port = parts->listener->port();
  parts->listener->Start();
  for (int i = 0; i < parts->options.threads; ++i)
    parts->threads.emplace_back([io = parts->io.get()] {
      const auto work = boost::asio::make_work_guard(*io);
      io->run();
    });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(parts)));
}

HttpServer::HttpServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
HttpServer::~HttpServer() { Stop(); }

uint16_t HttpServer::port() const { return parts_->port; }

bool HttpServer::Drain() {
  if (!parts_->io) return true;
  parts_->frontend.running().Drain();
  parts_->listener->Drain();
  return parts_->frontend.running().WaitUntilIdle(parts_->options.drain_grace);
}

void HttpServer::Stop() {
  if (!parts_->io) return;
  parts_->frontend.running().Drain();
  if (!parts_->listener->Close(kStopTimeout)) {
    BATON_LOG(Warning) << "some HTTP connections did not close in time";
  }
  parts_->io->stop();
  for (std::thread& thread : parts_->threads) thread.join();
  // Sinks that the backend still holds must not post to strands that are gone.
  parts_->setup.gate->Close();
  parts_->listener.reset();
  parts_->io.reset();
}

}  // namespace baton::http
