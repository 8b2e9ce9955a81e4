#include "baton/http/http_server.h"

#include <algorithm>
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

size_t LongestTokenBytes(const text::Tokenizer& tokenizer) {
  size_t longest = 1;
  for (TokenId token = 0; token < tokenizer.vocabulary_size(); ++token)
    longest = std::max(longest, tokenizer.TokenBytes(token).size());
  return longest;
}

}  // namespace

struct HttpServer::Parts {
  Parts(HttpOptions given, CompletionBackend& backend, const text::Tokenizer& tokenizer,
        const text::ChatTemplate* chat_template, telemetry::MetricRegistry& metrics, Clock& clock)
      : options(std::move(given)),
        model{options, tokenizer, chat_template, clock, LongestTokenBytes(tokenizer)},
        running(options.limits.running_requests),
        ids(RandomSeed()),
        routes(model, backend, running, ids, metrics),
        setup{options, routes, running, ids, clock, std::make_shared<PostGate>()},
        io(std::make_unique<boost::asio::io_context>(options.threads)) {}

  const HttpOptions options;
  const ServedModel model;
  RunningCalls running;
  IdSource ids;
  Routes routes;
  const ConnectionSetup setup;
  std::unique_ptr<boost::asio::io_context> io;
  std::shared_ptr<Listener> listener;
  uint16_t port = 0;
  std::vector<std::thread> threads;
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(
    HttpOptions options, CompletionBackend& backend, const text::Tokenizer& tokenizer,
    const text::ChatTemplate* chat_template, telemetry::MetricRegistry& metrics, Clock& clock) {
  if (options.threads < 1) return InvalidArgument("the HTTP server needs at least one thread");
  if (options.context_tokens < 2)
    return InvalidArgument("the HTTP server needs the model's context length");
  auto parts = std::make_unique<Parts>(std::move(options), backend, tokenizer, chat_template,
                                       metrics, clock);
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
  parts_->running.Drain();
  parts_->listener->Drain();
  return parts_->running.WaitUntilIdle(parts_->options.drain_grace);
}

void HttpServer::Stop() {
  if (!parts_->io) return;
  parts_->running.Drain();
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
