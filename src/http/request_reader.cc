// Beast asserts that a last chunk never arrives in pieces, which is the client's choice; without
// the assertion it reads on correctly.
#define BOOST_DISABLE_ASSERTS
#include "request_reader.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace baton::http {

namespace {

namespace beast = boost::beast;
using Parser = beast::http::request_parser<beast::http::string_body>;
using Field = beast::http::field;
using Error = beast::http::error;

/// Room for a chunk's size and extensions, which the header limit does not cover.
constexpr size_t kChunkHeaderBytes = 4096;

/// Path and query of "/path?query#part" and of "http://host/path?query".
std::pair<std::string, std::string> PathAndQuery(std::string_view target) {
  if (const size_t scheme = target.find("://");
      scheme != std::string_view::npos && !target.starts_with('/')) {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const size_t mark = std::min(target.find('?'), target.size());
  const size_t query = std::min(mark + 1, target.size());
  return {PercentDecode(target.substr(0, mark)), std::string(target.substr(query))};
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

/// The key of "Authorization: Bearer KEY", or of x-api-key, where Anthropic's clients put it.
std::string KeyIn(const beast::http::fields& header) {
  constexpr std::string_view kScheme = "bearer ";
  std::string_view value = View(header[Field::authorization]);
  if (!beast::iequals(header[Field::authorization].substr(0, kScheme.size()), kScheme.data()))
    return std::string(View(header["x-api-key"]));
  value.remove_prefix(kScheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return std::string(value);
}

/// The first, where several are offered.
std::string PrefillPickIn(const beast::http::fields& header) {
  constexpr std::string_view kBlanks = " \t";
  std::string_view value = View(header["x-prefiller-host-port"]);
  value = value.substr(0, value.find(','));
  value.remove_prefix(std::min(value.find_first_not_of(kBlanks), value.size()));
  return std::string(value.substr(0, value.find_last_not_of(kBlanks) + 1));
}

/// Two of `traceparent` are none; those of `tracestate` are one.
TraceContext ContextIn(const beast::http::fields& header) {
  if (header.count("traceparent") != 1) return {};
  std::string state;
  const auto [first, last] = header.equal_range("tracestate");
  for (auto line = first; line != last; ++line) {
    if (line != first) state += ',';
    state += View(line->value());
  }
  return ReadTraceContext(View(header["traceparent"]), state);
}

}  // namespace

struct RequestReader::Parts {
  explicit Parts(const HttpLimits& given) : limits(given) { Reset(); }

  void Reset() {
    parser.emplace();
    parser->header_limit(static_cast<uint32_t>(limits.header_bytes));
    parser->body_limit(limits.body_bytes);
    started = header_seen = false;
  }

  Progress Break(int status, std::string message) {
    error_status = status;
    error_message = std::move(message);
    return Progress::kBroken;
  }

  Progress Break(const beast::error_code& error);
  Progress CheckHeader();

  const HttpLimits limits;
  std::optional<Parser> parser;
  bool started = false;
  bool header_seen = false;
  int error_status = 0;
  std::string error_message;
};

RequestReader::Progress RequestReader::Parts::Break(const beast::error_code& error) {
  if (error == Error::header_limit)
    return Break(431,
                 "the request header exceeds " + std::to_string(limits.header_bytes) + " bytes");
  if (error == Error::body_limit)
    return Break(413, "the request body exceeds " + std::to_string(limits.body_bytes) + " bytes");
  if (error == Error::bad_version) return Break(400, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  return Break(400, "not a valid HTTP request: " + error.message());
}

RequestReader::Progress RequestReader::Parts::CheckHeader() {
  const auto& header = parser->get();
  if (header.version() == 11 && header.count(Field::host) != 1)
    return Break(400, "an HTTP/1.1 request needs exactly one Host header");
  if (header.count(Field::transfer_encoding) > 0 && !parser->chunked())
    return Break(400, "only the transfer encoding 'chunked' is supported");
  if (parser->chunked() && !beast::iequals(header[Field::transfer_encoding], "chunked"))
    return Break(400, "only the transfer encoding 'chunked' is supported");
  const auto encoding = header[Field::content_encoding];
  if (!encoding.empty() && !beast::iequals(encoding, "identity"))
    return Break(415, "compressed request bodies are not supported");
  if (parser->is_done()) return Progress::kDone;
  const auto expect = header[Field::expect];
  if (expect.empty() || header.version() < 11) return Progress::kNeedMore;
  if (!beast::iequals(expect, "100-continue"))
    return Break(417, "only the expectation '100-continue' is supported");
  return Progress::kContinue;
}

RequestReader::RequestReader(const HttpLimits& limits) : parts_(std::make_unique<Parts>(limits)) {}
RequestReader::~RequestReader() = default;

RequestReader::Progress RequestReader::Feed(std::string_view& bytes) {
  Parts& parts = *parts_;
  // Empty lines before a request are allowed, and some clients send them.
  while (!parts.started && bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  if (!parts.started && bytes == "\r") return Progress::kNeedMore;
  while (!bytes.empty()) {
    parts.started = true;
    beast::error_code error;
    bytes.remove_prefix(parts.parser->put(boost::asio::buffer(bytes), error));
    if (error == Error::need_more) {
      if (bytes.size() > parts.limits.header_bytes + kChunkHeaderBytes)
        return parts.Break(400, "a chunk header is too long");
      return Progress::kNeedMore;
    }
    if (error) return parts.Break(error);
    if (!parts.header_seen && parts.parser->is_header_done()) {
      parts.header_seen = true;
      if (const Progress progress = parts.CheckHeader(); progress != Progress::kNeedMore)
        return progress;
    }
    if (parts.parser->is_done()) return Progress::kDone;
  }
  return Progress::kNeedMore;
}

HttpRequest RequestReader::Take() {
  const bool keep_alive = parts_->parser->keep_alive();
  auto message = parts_->parser->release();
  HttpRequest request;
  request.method = std::string(View(message.method_string()));
  std::tie(request.path, request.query) = PathAndQuery(View(message.target()));
  if (const auto id = View(message["x-request-id"]); IsSaneRequestId(id)) request.request_id = id;
  request.authority = std::string(View(message[Field::host]));
  request.context = ContextIn(message);
  request.prefill_pick.endpoint = PrefillPickIn(message);
  request.key = KeyIn(message);
  request.content_type = std::string(View(message["content-type"]));
  request.body = std::move(message.body());
  request.keep_alive = keep_alive;
  request.chunks_allowed = message.version() == 11;
  parts_->Reset();
  return request;
}

bool RequestReader::started() const { return parts_->started; }
bool RequestReader::header_done() const { return parts_->header_seen; }
int RequestReader::error_status() const { return parts_->error_status; }
const std::string& RequestReader::error_message() const { return parts_->error_message; }

}  // namespace baton::http
