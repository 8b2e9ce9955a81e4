#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::loadgen {

/// How a call ended.
struct CallEnd {
  /// Of the answer; 0 where none came.
  int http_status = 0;
  /// Empty for a whole answer, whatever its status; else a kind for counting, e.g. "connect",
  /// "timeout", "cut off", and a sentence.
  std::string error;
  std::string message;
};

/// Takes an answer as it comes. Must not use the client from within OnBytes().
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  /// Part of the body.
  virtual void OnBytes(int http_status, std::string_view bytes) = 0;
  /// The last word; the handler may go then.
  virtual void OnEnd(const CallEnd& end) = 0;
};

struct HttpCall {
  /// Of the API, e.g. "/v1/completions".
  std::string path;
  /// Posted as JSON; empty: GET.
  std::string body;
  Duration timeout = std::chrono::seconds(30);
};

/// Many calls at once to one server. *Threads*: lives on one thread, on which handlers are called.
class StreamClient {
 public:
  virtual ~StreamClient() = default;
  /// `handler` lives until its OnEnd() or Cancel().
  virtual void Start(HttpCall call, CallHandler& handler) = 0;
  /// Forgets a call; its handler hears nothing more. REQUIRES: it has not ended.
  virtual void Cancel(CallHandler& handler) = 0;
  /// Waits for something to happen, `at_most` so long, and tells the handlers.
  virtual void Wait(Duration at_most) = 0;
  /// The thread's time on a core so far: whether the generator itself is at its limit.
  virtual Duration CpuTime() const = 0;
};

struct ServerAddress {
  /// "http://host:port" or "https://...", as users write it: "/v1" at the end is dropped.
  std::string url = "http://127.0.0.1:8000";
  /// Sent as bearer; empty: none.
  std::string api_key;
  /// "Name: value".
  std::vector<std::string> headers;
  /// PEM; empty: the system's authorities.
  std::string ca_file;
  /// Takes any certificate.
  bool insecure_tls = false;
};

/// Over libcurl: HTTP/1.1, a connection per running call, kept for the next. Ignores the proxies of
/// the environment, which would be measured too. Fails with InvalidArgument for what is no URL.
Result<std::unique_ptr<StreamClient>> MakeCurlClient(const ServerAddress& address);

/// "http://host:port" of what a user wrote. Fails with InvalidArgument.
Result<std::string> BaseUrl(const std::string& url);

/// A whole answer, waited for.
struct HttpReply {
  int status = 0;
  std::string body;
};
/// Fails with Unavailable where no whole answer came.
Result<HttpReply> Fetch(StreamClient& client, HttpCall call);

}  // namespace baton::loadgen
