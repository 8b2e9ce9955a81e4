#include "fake_openai.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace baton::loadgen {
namespace {

/// The bytes of the first request in `input`; 0 while it is not whole.
size_t RequestBytes(const std::string& input) {
  const size_t head = input.find("\r\n\r\n");
  if (head == std::string::npos) return 0;
  const std::string name = "Content-Length: ";
  const size_t at = input.substr(0, head).find(name);
  const size_t body =
      at == std::string::npos ? 0 : std::strtoul(input.c_str() + at + name.size(), nullptr, 10);
  return input.size() < head + 4 + body ? 0 : head + 4 + body;
}

/// What the test sends is short enough for the socket's buffer.
void SendAll(int fd, const std::string& bytes) {
  [[maybe_unused]] const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace

FakeOpenAi::FakeOpenAi(Answer answer, size_t release_at)
    : answer_(std::move(answer)), release_at_(release_at) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t bytes = sizeof address;
  if (bind(listener_, any, bytes) == 0 && listen(listener_, 4096) == 0 &&
      getsockname(listener_, any, &bytes) == 0) {
    port_ = ntohs(address.sin_port);
  }
  end_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { Serve(); });
}

FakeOpenAi::~FakeOpenAi() {
  eventfd_write(end_, 1);
  thread_.join();
  for (const auto& [fd, connection] : open_) close(fd);
  close(listener_);
  close(end_);
}

void FakeOpenAi::Serve() {
  for (;;) {
    std::vector<pollfd> polled = {{end_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& [fd, connection] : open_) polled.push_back({fd, POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) return;
    for (size_t i = 2; i < polled.size(); ++i) {
      const int fd = polled[i].fd;
      if (polled[i].revents == 0 || Read(fd, open_[fd])) continue;
      close(fd);
      open_.erase(fd);
      std::erase(waiting_, fd);
    }
    if (polled[1].revents != 0) Accept();
    ReleaseWhenAllWait();
  }
}

void FakeOpenAi::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  ++connections_;
  open_[fd];
}

bool FakeOpenAi::Read(int fd, Connection& connection) {
  std::array<char, 16384> buffer;
  const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  connection.input.append(buffer.data(), static_cast<size_t>(count));
  while (RequestBytes(connection.input) > 0) {
    if (!AnswerWhole(fd, connection)) return false;
  }
  return true;
}

bool FakeOpenAi::AnswerWhole(int fd, Connection& connection) {
  const size_t bytes = RequestBytes(connection.input);
  const FakeReply reply = answer_(connection.input.substr(0, bytes));
  connection.input.erase(0, bytes);
  SendAll(fd, reply.now);
  if (reply.later.empty()) return !reply.close;
  connection.later = reply.later;
  connection.close = reply.close;
  waiting_.push_back(fd);
  return true;
}

void FakeOpenAi::ReleaseWhenAllWait() {
  if (waiting_.size() < release_at_) return;
  for (const int fd : waiting_) {
    SendAll(fd, open_[fd].later);
    if (open_[fd].close) shutdown(fd, SHUT_RDWR);
  }
  waiting_.clear();
}

std::string HttpHead(int status, size_t body_bytes) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
}

std::string HttpAnswer(int status, const std::string& body) {
  return HttpHead(status, body.size()) + body;
}

std::string StreamHead() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
         "Transfer-Encoding: chunked\r\n\r\n";
}

std::string StreamChunk(const std::string& bytes) {
  std::array<char, 32> size;
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return size.data() + bytes + "\r\n";
}

std::string TextChunk() { return StreamChunk("data: {\"choices\":[{\"text\":\" a\"}]}\n\n"); }

std::string LastChunks() {
  return StreamChunk(
             "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}\n\n"
             "data: [DONE]\n\n") +
         StreamChunk("");
}

}  // namespace baton::loadgen
