#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace baton::loadgen {

/// What the server does with one request.
struct FakeReply {
  /// Sent at once.
  std::string now;
  /// Sent once so many connections wait with something to send.
  std::string later;
  /// Ends the connection behind what was sent.
  bool close = false;
};

/// An HTTP server on 127.0.0.1 that answers with what the test says, byte by byte. *Threads*: has
/// one of its own, on which `answer` is called.
class FakeOpenAi {
 public:
  /// `request`: head and body. Those who are to be answered later are so when they are
  /// `release_at`.
  using Answer = std::function<FakeReply(const std::string& request)>;
  explicit FakeOpenAi(Answer answer, size_t release_at = 1);
  ~FakeOpenAi();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// Connections taken so far.
  int connections() const { return connections_; }

 private:
  struct Connection {
    std::string input;
    std::string later;
    bool close = false;
  };

  void Serve();
  void Accept();
  /// False when the connection is over.
  bool Read(int fd, Connection& connection);
  bool AnswerWhole(int fd, Connection& connection);
  void ReleaseWhenAllWait();

  const Answer answer_;
  const size_t release_at_;
  int listener_ = -1;
  /// Wakes the thread when this object goes.
  int end_ = -1;
  uint16_t port_ = 0;
  std::map<int, Connection> open_;
  std::vector<int> waiting_;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

/// A head with this status and a body that ends with the connection's next request.
std::string HttpHead(int status, size_t body_bytes);
std::string HttpAnswer(int status, const std::string& body);
/// The head of an event stream, and one chunk of it; an empty one ends it.
std::string StreamHead();
std::string StreamChunk(const std::string& bytes);
/// A chunk with an event of text, and those that end a stream.
std::string TextChunk();
std::string LastChunks();

}  // namespace baton::loadgen
