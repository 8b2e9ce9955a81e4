#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"

namespace baton::test {

struct HttpReply {
  /// 0 when the connection ended before a whole head.
  int status = 0;
  /// Names in lower case.
  std::map<std::string, std::string> headers;
  std::string body;
  /// The whole body came, as the head announced it.
  bool complete = false;

  /// Empty when it is absent.
  std::string Header(const std::string& name) const;
};

/// One server-sent event.
struct SseEvent {
  /// Of "data: ..." lines; empty for a comment.
  std::string data;
  /// Of ": ..." lines.
  std::string comment;
};

/// One connection to a server on 127.0.0.1, for tests. Every wait has a deadline, after which it
/// reads as if the connection had ended. *Threads*: lives on one thread.
class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit HttpClient(uint16_t port, Duration timeout = std::chrono::seconds(20));
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return socket_ >= 0; }

  /// A request and its whole reply.
  HttpReply Get(const std::string& path, const Headers& headers = {});
  HttpReply Post(const std::string& path, const std::string& body, const Headers& headers = {});
  HttpReply Call(const std::string& method, const std::string& path, const std::string& body,
                 const Headers& headers);

  /// A request whose reply is read piece by piece: ReadHead, then NextEvent or ReadBody.
  bool Send(const std::string& method, const std::string& path, const std::string& body,
            const Headers& headers = {});
  /// Any bytes. False when the server no longer takes them.
  bool SendRaw(std::string_view bytes);
  HttpReply ReadHead();
  /// Adds the body to a reply of ReadHead.
  void ReadBody(HttpReply& reply);
  /// The whole reply, with the body that its head announces.
  HttpReply ReadReply(bool head_only = false);
  /// The next chunk as it was sent; nothing at the end of a chunked body or of the connection.
  std::optional<std::string> NextChunk();
  /// The next event of a stream; nothing at its end.
  std::optional<SseEvent> NextEvent();
  /// The data of all events up to the stream's end.
  std::vector<std::string> AllEvents();
  /// A chunked body ended as it should.
  bool stream_complete() const { return stream_complete_; }

  /// Tells the server that nothing more will be sent.
  void ShutdownWrite();
  /// Ends the connection under a reply that another thread waits for. *Threads*: any.
  void Abandon();
  /// Goes away; with `reset`, as a process that is killed does.
  void Close(bool reset = false);
  /// True when the server closed the connection; what it sent before is dropped.
  bool WaitForClose();

 private:
  /// Reads more into buffer_; false at the end.
  bool Fill();
  /// Up to and including `end`; nothing when the connection ends first.
  std::optional<std::string> ReadUntil(std::string_view end);
  std::optional<std::string> ReadBytes(size_t count);

  int socket_ = -1;
  int timeout_ms_;
  std::string buffer_;
  bool chunked_ = false;
  bool stream_complete_ = false;
  std::string events_;
};

/// What a client gets for one request on a connection of its own.
HttpReply HttpGet(uint16_t port, const std::string& path);
HttpReply HttpPost(uint16_t port, const std::string& path, const std::string& body);

}  // namespace baton::test
