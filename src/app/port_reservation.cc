#include "baton/app/port_reservation.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace baton::app {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

Result<Address> ParseAddress(const std::string& host) {
  Address address;
  const std::string bare =
      host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, bare == "localhost" ? "127.0.0.1" : bare.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    address.bytes = sizeof *v4;
  } else if (inet_pton(AF_INET6, bare.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    address.bytes = sizeof *v6;
  } else {
    return InvalidArgument("'" + host + "' is not an address to listen on, e.g. 127.0.0.1");
  }
  return address;
}

}  // namespace

Result<PortReservation> PortReservation::Take(const std::string& host) {
  BATON_ASSIGN_OR_RETURN(Address address, ParseAddress(host));
  auto* generic = reinterpret_cast<sockaddr*>(&address.storage);
  FileDescriptor socket_fd(socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!socket_fd.open() || bind(socket_fd.get(), generic, address.bytes) != 0 ||
      getsockname(socket_fd.get(), generic, &address.bytes) != 0) {
    return Unavailable("no free port on " + host + ": " + std::strerror(errno));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  const uint16_t port = generic->sa_family == AF_INET ? v4->sin_port : v6->sin6_port;
  return PortReservation(std::move(socket_fd), ntohs(port));
}

}  // namespace baton::app
