#include "baton/nodes/connect.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "baton/base/endpoint.h"

namespace baton::nodes {
namespace {

constexpr int kBacklog = 256;

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> Resolve(const std::string& address, bool to_listen) {
  const auto endpoint = ParseEndpoint(address);
  if (!endpoint) return InvalidArgument("'" + address + "' is no address; write host:port");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = to_listen ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(endpoint->host.empty() ? nullptr : endpoint->host.c_str(),
                                 std::to_string(endpoint->port).c_str(), &hints, &found);
  if (failed != 0) return Unavailable(address + ": " + gai_strerror(failed));
  return Addresses(found);
}

std::string TextOf(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, port,
                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  const bool v6 = address.ss_family == AF_INET6;
  return (v6 ? "[" + std::string(host) + "]" : host) + ":" + port;
}

Status FailedAt(const std::string& address) {
  return Unavailable(address + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::Open(const std::string& address) {
  BATON_ASSIGN_OR_RETURN(const Addresses found, Resolve(address, true));
  const int listening = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0) return FailedAt(address);
  std::unique_ptr<Listener> listener(new Listener(listening));
  const int on = 1;
  (void)setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, found->ai_addr, found->ai_addrlen) != 0 || listen(listening, kBacklog) != 0) {
    return FailedAt(address);
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  (void)getsockname(listening, reinterpret_cast<sockaddr*>(&bound), &length);
  listener->address_ = TextOf(bound, length);
  return listener;
}

Listener::~Listener() { close(socket_); }

Result<std::unique_ptr<Link>> Listener::Accept(Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
  if (poll(&one, 1, static_cast<int>(ms)) <= 0) return std::unique_ptr<Link>();
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  const int accepted = accept4(socket_, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC);
  if (accepted < 0) {
    // Whoever came has gone again.
    if (errno == ECONNABORTED || errno == EINTR || errno == EAGAIN) return std::unique_ptr<Link>();
    return FailedAt(address_);
  }
  return std::make_unique<Link>(accepted, TextOf(peer, length));
}

Result<std::unique_ptr<Link>> Dial(const std::string& address) {
  BATON_ASSIGN_OR_RETURN(const Addresses found, Resolve(address, false));
  Status failed = Unavailable(address + ": no address");
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    const int connecting = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connecting < 0) return FailedAt(address);
    auto link = std::make_unique<Link>(connecting, address);
    if (connect(connecting, each->ai_addr, each->ai_addrlen) == 0) return link;
    failed = FailedAt(address);
  }
  return failed;
}

}  // namespace baton::nodes
