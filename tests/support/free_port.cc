#include "support/free_port.h"

#include <atomic>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace baton::test {
namespace {

constexpr uint32_t kFirst = 10000;
/// From here on Linux picks for outgoing connections by default.
constexpr uint32_t kEnd = 32768;
/// More than one test asks for, so that tests side by side try others.
constexpr uint32_t kPerProcess = 37;

bool IsFree(uint16_t port) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // As those who listen do; it admits what remains of connections that have ended.
  const int on = 1;
  setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const bool bound =
      bind(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(socket_fd);
  return bound;
}

}  // namespace

uint16_t FreePort() {
  static std::atomic<uint32_t> next{static_cast<uint32_t>(getpid()) * kPerProcess};
  for (uint32_t tries = kFirst; tries < kEnd; ++tries) {
    const auto port = static_cast<uint16_t>(kFirst + next++ % (kEnd - kFirst));
    if (IsFree(port)) return port;
  }
  return 0;
}

}  // namespace baton::test
