#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "baton/access/caller.h"
#include "baton/base/trace_context.h"
#include "baton/request/request.h"

namespace baton::http {

struct HttpRequest {
  std::string method;
  /// Without the query, percent-decoded.
  std::string path;
  /// What follows '?', as the client sent it.
  std::string query;
  /// The client's x-request-id where it is sane, else one of ours.
  std::string request_id;
  /// As the client calls this server, "host:port" or "host"; empty where it does not say.
  std::string authority;
  /// What the client's trace context says, then where in that trace or one of ours the request is;
  /// not valid without one.
  TraceContext context;
  /// Of a gateway that picks workers, by its header x-prefiller-host-port.
  PrefillPick prefill_pick = {};
  /// The API key as the client sent it; empty without one.
  std::string key;
  /// Who holds it, once that is known.
  access::Caller caller;
  std::string content_type;
  std::string body;
  bool keep_alive = false;
  /// HTTP/1.1, i.e. not 1.0: chunked answers are understood.
  bool chunks_allowed = false;
};

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpResponse {
  int status = 200;
  std::vector<HttpHeader> headers;
  std::string body;
  std::string content_type = "application/json";
};

std::string_view ReasonPhrase(int status);

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string HttpDate(int64_t unix_seconds);

/// The status line and headers up to the empty line, which the caller adds.
std::string ResponseHead(int status, int64_t unix_seconds, const std::vector<HttpHeader>& headers);

/// `text` with %XX replaced by their bytes; broken escapes stay as they are.
std::string PercentDecode(std::string_view text);

/// Whether a client's x-request-id can be repeated in headers and logs.
bool IsSaneRequestId(std::string_view id);

}  // namespace baton::http
