#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/outbound/resolver.h"

namespace baton::outbound {

struct HttpServer {
  /// Without brackets.
  std::string host;
  int32_t port = 0;
  bool tls = true;
};

/// Whom a client asks, and what its errors say of them.
struct HttpClientOptions {
  HttpServer server;
  /// What it is, e.g. "the API server".
  std::string subject;
  /// In PEM, read for each question: of those that sign the server's certificate. Empty: those that
  /// the system trusts.
  std::string authority_file;
  /// What to do where that file is none, and where the server's certificate is not of it.
  std::string authority_advice;
  std::string certificate_advice;
};

struct AnswerHead {
  int http_status = 0;
  /// The header Retry-After as it came; empty without one.
  std::string retry_after;
};

/// Hears an answer as it comes. *Threads*: that of HttpClient::Ask().
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual void OnHead(const AnswerHead& head) = 0;
  /// A piece of the body. What is not OK ends the answer.
  virtual Status OnBody(std::string_view bytes) = 0;
  /// Does what is due, while nothing comes; returns when to be called again at the latest.
  virtual Duration Tick() = 0;
};

/// Asks a server over HTTP, each time on a connection of its own. *Threads*: lives on one thread,
/// which waits for answers, but for Stop().
class HttpClient {
 public:
  struct Question {
    /// Path and query.
    std::string target;
    std::vector<std::pair<std::string, std::string>> headers;
    /// What is posted; empty: it is a GET.
    std::string body = {};
    /// To be reached, to agree on TLS, to take the question, and to begin to answer: for each.
    Duration step = std::chrono::seconds(10);
    /// For how long the body of the answer may come.
    Duration patience;
  };

  /// A question ends once `stop` is set and Stop() called. `resolver` and `stop` outlive this.
  HttpClient(HttpClientOptions options, Resolver& resolver, const std::atomic<bool>& stop);
  ~HttpClient();

  /// Returns once the answer has ended as it should, whatever its HTTP status. Fails with
  /// Unavailable where the server cannot be reached or does not answer whole, with
  /// FailedPrecondition where it is not trusted, with what the reader returned, or with Cancelled.
  Status Ask(const Question& question, AnswerReader& reader);
  /// Of any thread.
  void Stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::outbound
