#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "baton/base/gate.h"
#include "baton/base/status.h"
#include "connection.h"

namespace baton::http {

/// Accepts connections and knows those that are open.
/// *Threads*: lives on its own strand; its public calls come from any thread.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  /// *Fails with* InvalidArgument for a host that is none; Unavailable when the port is taken.
  static Result<std::shared_ptr<Listener>> Open(boost::asio::io_context& io,
                                                const ConnectionSetup& setup);

  uint16_t port() const { return port_; }
  void Start();
  /// Accepts no more and closes the connections that wait for a request.
  void Drain();
  /// Accepts no more and closes every connection. True when all were closed within `timeout`.
  bool Close(Duration timeout);

 private:
  using Tcp = boost::asio::ip::tcp;

  Listener(boost::asio::io_context& io, const ConnectionSetup& setup);
  Status Bind();
  void Accept();
  void OnAccepted(Tcp::socket socket);
  void RetryLater();
  void StopAccepting();
  void Forget(uint64_t id);

  boost::asio::io_context& io_;
  const ConnectionSetup& setup_;
  const boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  Tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  uint16_t port_ = 0;
  std::unordered_map<uint64_t, std::weak_ptr<Connection>> connections_;
  uint64_t next_id_ = 0;
  bool closing_ = false;
  Gate all_closed_;
};

}  // namespace baton::http
