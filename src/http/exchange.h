#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/strand_link.h"
#include "baton/base/clock.h"
#include "baton/telemetry/tracer.h"
#include "http_message.h"

namespace baton::http {

/// What answers a request over time. Destroyed when the answer has been written or the client is
/// gone, whichever comes first: the destructor gives up what is unfinished.
class ActiveCall {
 public:
  virtual ~ActiveCall() = default;
};

/// One request being answered on its connection: either Send once, or BeginStream, Write..., and
/// EndStream. What is written within one turn of the strand leaves in one write at its end.
/// *Threads*: lives on the connection's strand. After the client is gone every call is without
/// effect.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual void Send(HttpResponse response) = 0;

  virtual void BeginStream(std::string content_type, std::vector<HttpHeader> headers) = 0;
  /// One piece of the stream, one chunk where the client knows chunks. A client that leaves too
  /// much unread is dropped.
  virtual void Write(std::string_view bytes) = 0;
  /// `keep_alive` false closes the connection: after an error nobody should trust it.
  virtual void EndStream(bool keep_alive) = 0;

  /// Keeps `call` until the answer has been written or the client is gone.
  virtual void Attach(std::shared_ptr<ActiveCall> call) = 0;
  virtual std::shared_ptr<api::StrandLink> Link() = 0;
  /// Calls `run` on the strand after `delay`; replaces the timer set before, ends with the answer.
  virtual void SetTimer(Duration delay, std::function<void()> run) = 0;
};

/// What connections hand their requests to. *Threads*: thread-safe.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual void Handle(HttpRequest request, Exchange& exchange) = 0;
  /// The span of a request until its answer has been written, null where it has none; says in
  /// `request` where in which trace it is.
  virtual std::unique_ptr<telemetry::OpenSpan> OpenSpanOf(HttpRequest& request) = 0;
  /// Counts an answer; `path` is the request's, empty when it could not be read.
  virtual void CountAnswer(std::string_view path, int status) = 0;
};

}  // namespace baton::http
