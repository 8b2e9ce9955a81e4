#include "support/http_client.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace baton::test {

namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// "Name: value" lines after the status line, up to the empty line.
std::map<std::string, std::string> ParseHeaders(std::string_view head) {
  std::map<std::string, std::string> headers;
  size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    const size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, at - begin);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) break;
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    headers[Lower(std::string(line.substr(0, colon)))] = std::string(value);
  }
  return headers;
}

SseEvent ParseEvent(std::string_view text) {
  SseEvent event;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.starts_with("data: ")) event.data += line.substr(6);
    if (line.starts_with(": ")) event.comment += line.substr(2);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return event;
}

}  // namespace

std::string HttpReply::Header(const std::string& name) const {
  const auto found = headers.find(Lower(name));
  return found == headers.end() ? "" : found->second;
}

HttpClient::HttpClient(uint16_t port, Duration timeout)
    : timeout_ms_(static_cast<int>(
          std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count())) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Close();
}

HttpClient::~HttpClient() { Close(); }

HttpReply HttpClient::Get(const std::string& path, const Headers& headers) {
  return Call("GET", path, "", headers);
}

HttpReply HttpClient::Post(const std::string& path, const std::string& body,
                           const Headers& headers) {
  return Call("POST", path, body, headers);
}

HttpReply HttpClient::Call(const std::string& method, const std::string& path,
                           const std::string& body, const Headers& headers) {
  Send(method, path, body, headers);
  return ReadReply(method == "HEAD");
}

bool HttpClient::Send(const std::string& method, const std::string& path, const std::string& body,
                      const Headers& headers) {
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST")
    request +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return SendRaw(request + "\r\n" + body);
}

bool HttpClient::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd writable{socket_, POLLOUT, 0};
    if (socket_ < 0 || poll(&writable, 1, timeout_ms_) <= 0) return false;
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool HttpClient::Fill() {
  pollfd readable{socket_, POLLIN, 0};
  if (socket_ < 0 || poll(&readable, 1, timeout_ms_) <= 0) return false;
  char bytes[16384];
  const ssize_t received = recv(socket_, bytes, sizeof(bytes), 0);
  if (received <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(received));
  return true;
}

std::optional<std::string> HttpClient::ReadUntil(std::string_view end) {
  size_t found = 0;
  while ((found = buffer_.find(end)) == std::string::npos)
    if (!Fill()) return std::nullopt;
  std::string text = buffer_.substr(0, found + end.size());
  buffer_.erase(0, text.size());
  return text;
}

std::optional<std::string> HttpClient::ReadBytes(size_t count) {
  while (buffer_.size() < count)
    if (!Fill()) return std::nullopt;
  std::string text = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return text;
}

HttpReply HttpClient::ReadHead() {
  HttpReply reply;
  const std::optional<std::string> head = ReadUntil("\r\n\r\n");
  if (!head || !head->starts_with("HTTP/1.1 ")) return reply;
  reply.status = std::atoi(head->c_str() + 9);
  reply.headers = ParseHeaders(*head);
  chunked_ = reply.Header("transfer-encoding") == "chunked";
  stream_complete_ = false;
  events_.clear();
  return reply;
}

HttpReply HttpClient::ReadReply(bool head_only) {
  HttpReply reply = ReadHead();
  if (reply.status == 0) return reply;
  if (head_only) {
    reply.complete = true;
  } else {
    ReadBody(reply);
  }
  return reply;
}

void HttpClient::ReadBody(HttpReply& reply) {
  if (chunked_) {
    while (const auto chunk = NextChunk()) reply.body += *chunk;
    reply.complete = stream_complete_;
  } else if (const std::string length = reply.Header("content-length"); !length.empty()) {
    const auto body = ReadBytes(static_cast<size_t>(std::atoll(length.c_str())));
    reply.complete = body.has_value();
    if (body) reply.body = *body;
  } else {
    while (Fill()) {
    }
    reply.body = std::exchange(buffer_, {});
    reply.complete = true;
  }
}

std::optional<std::string> HttpClient::NextChunk() {
  if (stream_complete_) return std::nullopt;
  if (!chunked_) {
    if (buffer_.empty() && !Fill()) return std::nullopt;
    return std::exchange(buffer_, {});
  }
  const std::optional<std::string> line = ReadUntil("\r\n");
  if (!line) return std::nullopt;
  const size_t size = static_cast<size_t>(std::strtoull(line->c_str(), nullptr, 16));
  std::optional<std::string> chunk = ReadBytes(size + 2);
  if (!chunk) return std::nullopt;
  chunk->resize(size);
  if (size > 0) return chunk;
  stream_complete_ = true;
  return std::nullopt;
}

std::optional<SseEvent> HttpClient::NextEvent() {
  size_t end = 0;
  while ((end = events_.find("\n\n")) == std::string::npos) {
    const std::optional<std::string> chunk = NextChunk();
    if (!chunk) return std::nullopt;
    events_ += *chunk;
  }
  const SseEvent event = ParseEvent(std::string_view(events_).substr(0, end + 1));
  events_.erase(0, end + 2);
  return event;
}

std::vector<std::string> HttpClient::AllEvents() {
  std::vector<std::string> data;
  while (const std::optional<SseEvent> event = NextEvent())
    if (!event->data.empty()) data.push_back(event->data);
  return data;
}

void HttpClient::Abandon() { ::shutdown(socket_, SHUT_RDWR); }

void HttpClient::ShutdownWrite() { shutdown(socket_, SHUT_WR); }

void HttpClient::Close(bool reset) {
  if (socket_ < 0) return;
  if (reset) {
    const linger now{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  close(std::exchange(socket_, -1));
}

bool HttpClient::WaitForClose() {
  while (true) {
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, timeout_ms_) <= 0) return false;
    char bytes[16384];
    if (recv(socket_, bytes, sizeof(bytes), 0) <= 0) return true;
  }
}

HttpReply HttpGet(uint16_t port, const std::string& path) { return HttpClient(port).Get(path); }

HttpReply HttpPost(uint16_t port, const std::string& path, const std::string& body) {
  return HttpClient(port).Post(path, body);
}

}  // namespace baton::test
