#include "listener.h"

#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "baton/api/error.h"
#include "baton/base/logging.h"

namespace baton::http {

namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// After a failed accept, e.g. for want of file descriptors.
constexpr Duration kRetry = std::chrono::milliseconds(100);

}  // namespace

Listener::Listener(asio::io_context& io, const ConnectionSetup& setup)
    : io_(io), setup_(setup), strand_(asio::make_strand(io)), acceptor_(strand_), retry_(strand_) {}

Result<std::shared_ptr<Listener>> Listener::Open(asio::io_context& io,
                                                 const ConnectionSetup& setup) {
  std::shared_ptr<Listener> listener(new Listener(io, setup));
  BATON_RETURN_IF_ERROR(listener->Bind());
  return listener;
}

Status Listener::Bind() {
  const std::string& host = setup_.options.host;
  const std::string port = std::to_string(setup_.options.port);
  ErrorCode error;
  Tcp::resolver resolver(io_);
  const auto found = resolver.resolve(host, port, Tcp::resolver::passive, error);
  if (error || found.empty())
    return InvalidArgument("no address for the HTTP host '" + host + "': " + error.message());
  const Tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return Unavailable("cannot listen for HTTP on " + host + ":" + port + ": " + error.message());
  port_ = acceptor_.local_endpoint(error).port();
  return OkStatus();
}

void Listener::Start() {
  asio::post(strand_, [self = shared_from_this()] { self->Accept(); });
}

void Listener::Accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept(asio::make_strand(io_),
                         [self = shared_from_this()](ErrorCode error, Tcp::socket socket) {
                           if (!self->acceptor_.is_open()) return;
                           if (error) return self->RetryLater();
                           self->OnAccepted(std::move(socket));
                           self->Accept();
                         });
}

void Listener::RetryLater() {
  retry_.expires_after(kRetry);
  retry_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->Accept();
  });
}

void Listener::OnAccepted(Tcp::socket socket) {
  if (connections_.size() >= static_cast<size_t>(setup_.options.limits.connections)) {
    BATON_LOG(Warning) << "refused an HTTP connection: " << connections_.size() << " are open";
    ErrorCode ignored;
    socket.close(ignored);
    return;
  }
  std::unique_ptr<TlsSession> tls;
  if (setup_.tls != nullptr) {
    tls = setup_.tls->NewSession();
    if (!tls) return;
  }
  const uint64_t id = next_id_++;
  auto connection = std::make_shared<Connection>(
      std::move(socket), std::move(tls), setup_, [weak = weak_from_this(), id] {
        const auto self = weak.lock();
        if (self) asio::post(self->strand_, [self, id] { self->Forget(id); });
      });
  connections_.emplace(id, connection);
  connection->Start();
}

void Listener::Forget(uint64_t id) {
  connections_.erase(id);
  if (closing_ && connections_.empty()) all_closed_.Open();
}

void Listener::StopAccepting() {
  ErrorCode ignored;
  acceptor_.close(ignored);
  retry_.cancel();
}

void Listener::Drain() {
  asio::post(strand_, [self = shared_from_this()] {
    self->StopAccepting();
    for (const auto& [id, weak] : self->connections_)
      if (const auto connection = weak.lock()) connection->Drain();
  });
}

bool Listener::Close(Duration timeout) {
  asio::post(strand_, [self = shared_from_this()] {
    self->StopAccepting();
    self->closing_ = true;
    for (const auto& [id, weak] : self->connections_)
      if (const auto connection = weak.lock()) connection->Abort();
    if (self->connections_.empty()) self->all_closed_.Open();
  });
  return all_closed_.Wait(timeout);
}

}  // namespace baton::http
