#include "line_socket.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "baton/base/endpoint.h"

namespace baton::app {
namespace {

constexpr Duration kPatience = std::chrono::seconds(10);
/// A line is a transport's address in hexadecimal at the longest.
constexpr size_t kLongestLine = size_t{1} << 20;

struct AddressesRelease {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, AddressesRelease>;

Result<Addresses> Resolve(const std::string& address, bool passive) {
  const bool is_port = passive && address.find(':') == std::string::npos;
  const auto endpoint = ParseEndpoint(is_port ? ":" + address : address);
  if (!endpoint || (!passive && endpoint->host.empty())) {
    return InvalidArgument("'" + address + "' is not HOST:PORT");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = getaddrinfo(endpoint->host.empty() ? nullptr : endpoint->host.c_str(),
                                std::to_string(endpoint->port).c_str(), &hints, &found);
  if (error != 0) return InvalidArgument("'" + address + "': " + gai_strerror(error));
  return Addresses(found);
}

Status SystemError(const std::string& what) {
  return Unavailable(what + ": " + std::strerror(errno));
}

Status Await(int fd, short events, Duration patience, const char* what) {
  pollfd poller{.fd = fd, .events = events, .revents = 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  const int ready = poll(&poller, 1, static_cast<int>(ms));
  if (ready > 0) return OkStatus();
  return ready == 0 ? DeadlineExceeded(std::string(what) + " in time") : SystemError(what);
}

std::string NumericAddress(int fd) {
  sockaddr_storage own{};
  socklen_t bytes = sizeof own;
  char host[NI_MAXHOST] = "";
  char port[NI_MAXSERV] = "";
  getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes);
  getnameinfo(reinterpret_cast<sockaddr*>(&own), bytes, host, sizeof host, port, sizeof port,
              NI_NUMERICHOST | NI_NUMERICSERV);
  const bool v6 = std::strchr(host, ':') != nullptr;
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + port;
}

}  // namespace

Result<LineSocket> LineSocket::Dial(const std::string& address) {
  BATON_ASSIGN_OR_RETURN(const Addresses found, Resolve(address, false));
  FileDescriptor fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.open()) return SystemError("no socket");
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    return SystemError("cannot reach " + address);
  }
  const Status reached = Await(fd.get(), POLLOUT, kPatience, "did not answer");
  if (!reached.ok()) return reached.WithContext(address);
  int error = 0;
  socklen_t bytes = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &bytes);
  if (error != 0) return Unavailable("cannot reach " + address + ": " + std::strerror(error));
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return LineSocket(std::move(fd));
}

Status LineSocket::Send(const std::string& line) {
  const std::string bytes = line + "\n";
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count =
        send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<size_t>(count);
    } else if (errno == EAGAIN || errno == EINTR) {
      BATON_RETURN_IF_ERROR(Await(fd_.get(), POLLOUT, kPatience, "the peer took nothing"));
    } else {
      return SystemError("the peer is gone");
    }
  }
  return OkStatus();
}

Result<std::string> LineSocket::Receive() {
  for (;;) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (buffer_.size() > kLongestLine) return InvalidArgument("the peer is no baton doctor");
    BATON_RETURN_IF_ERROR(Await(fd_.get(), POLLIN, kPatience, "the peer said nothing"));
    char bytes[4096];
    const ssize_t count = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (count == 0) return Unavailable("the peer closed the connection");
    if (count > 0) buffer_.append(bytes, static_cast<size_t>(count));
    if (count < 0 && errno != EAGAIN && errno != EINTR) return SystemError("the peer is gone");
  }
}

bool LineSocket::closed() const {
  char byte = 0;
  const ssize_t count = recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

Result<LineListener> LineListener::Listen(const std::string& address) {
  BATON_ASSIGN_OR_RETURN(const Addresses found, Resolve(address, true));
  FileDescriptor fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.open()) return SystemError("no socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), 4) != 0) {
    return SystemError("cannot listen on " + address);
  }
  std::string own = NumericAddress(fd.get());
  return LineListener(std::move(fd), std::move(own));
}

Result<LineSocket> LineListener::Accept(Duration timeout) const {
  BATON_RETURN_IF_ERROR(Await(fd_.get(), POLLIN, timeout, "nobody came"));
  FileDescriptor fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.open()) return SystemError("no connection");
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return LineSocket(std::move(fd));
}

}  // namespace baton::app
