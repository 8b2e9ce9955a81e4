#include "baton/nodes/link.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace baton::nodes {
namespace {

/// A frame begins with its kind and the bytes of its body.
using Head = std::array<uint32_t, 2>;

}  // namespace

Link::Link(int socket, std::string peer) : socket_(socket), peer_(std::move(peer)) {
  const int on = 1;
  (void)setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Link::~Link() { close(socket_); }

Status Link::Ended(const char* doing, int error) const {
  const std::string why = error == 0 ? "it closed the connection" : std::strerror(error);
  return Unavailable(peer_ + " is lost (" + doing + ": " + why + ")");
}

Status Link::SendBytes(const void* data, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t sent = send(socket_, from, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Ended("sending", errno);
    from += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return OkStatus();
}

Status Link::ReceiveBytes(void* data, size_t bytes) {
  auto* to = static_cast<std::byte*>(data);
  while (bytes > 0) {
    const ssize_t received = recv(socket_, to, bytes, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return Ended("receiving", received == 0 ? 0 : errno);
    to += received;
    bytes -= static_cast<size_t>(received);
  }
  return OkStatus();
}

Status Link::Send(uint32_t kind, std::string_view body) {
  const std::lock_guard lock(sending_);
  const Head head{kind, static_cast<uint32_t>(body.size())};
  BATON_RETURN_IF_ERROR(SendBytes(head.data(), sizeof head));
  return SendBytes(body.data(), body.size());
}

Result<Frame> Link::Receive() {
  Head head{};
  BATON_RETURN_IF_ERROR(ReceiveBytes(head.data(), sizeof head));
  if (head[1] > kMostFrame) {
    return DataLoss(peer_ + " sends a frame of " + std::to_string(head[1]) + " bytes");
  }
  Frame frame{.kind = head[0], .body = std::string(head[1], '\0')};
  BATON_RETURN_IF_ERROR(ReceiveBytes(frame.body.data(), frame.body.size()));
  return frame;
}

bool Link::AwaitReadable(Duration timeout) const {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
  return poll(&one, 1, static_cast<int>(ms)) > 0;
}

void Link::Shutdown() { (void)shutdown(socket_, SHUT_RDWR); }

}  // namespace baton::nodes
