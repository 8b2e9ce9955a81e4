#include "baton/outbound/http_client.h"

#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "baton/base/endpoint.h"

namespace baton::outbound {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Error = boost::system::error_code;
using Endpoints = std::vector<asio::ip::tcp::endpoint>;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr uint32_t kMostHeadBytes = 64 << 10;
constexpr size_t kPieceBytes = 64 << 10;

Result<asio::ip::tcp::endpoint> ToEndpoint(const std::string& address) {
  const auto endpoint = ParseEndpoint(address);
  Error error;
  const asio::ip::address ip = asio::ip::make_address(endpoint ? endpoint->host : "", error);
  if (error) return InvalidArgument(address + " is no address");
  return asio::ip::tcp::endpoint(ip, endpoint->port);
}

}  // namespace

struct HttpClient::Parts {
  Parts(HttpClientOptions whom, Resolver& names, const std::atomic<bool>& stopping)
      : options(std::move(whom)), resolver(names), stop(stopping) {}

  Status Ask(const Question& question, AnswerReader& reader);
  Result<Endpoints> Find();
  Result<asio::ssl::context> Trust() const;
  Status Connect(beast::tcp_stream& stream, const Question& question, AnswerReader& reader);
  Status Shake(TlsStream& stream, AnswerReader& reader);
  template <typename Stream>
  Status Send(Stream& stream, const Question& question, AnswerReader& reader);
  template <typename Stream>
  Status Read(Stream& stream, const Question& question, AnswerReader& reader);

  /// Begins an operation with a handler and waits for it. What is left of one that was stopped is
  /// never called.
  template <typename Begin>
  Error Await(AnswerReader& reader, Begin begin) {
    std::optional<Error> ended;
    begin([&ended](Error error, auto&&...) { ended = error; });
    io.restart();
    while (!ended && !stop) io.run_one_for(reader.Tick());
    return ended.value_or(asio::error::operation_aborted);
  }
  Status Failure(const std::string& what, Error error) const {
    if (stop) return Cancelled("the router ends");
    return Unavailable(options.subject + " at " + Name() + " " + what + ": " + error.message());
  }
  std::string Name() const {
    const HttpServer& server = options.server;
    const bool six = server.host.find(':') != std::string::npos;
    return (six ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
  }

  const HttpClientOptions options;
  Resolver& resolver;
  const std::atomic<bool>& stop;
  /// Before all that uses it.
  asio::io_context io{1};
};

HttpClient::HttpClient(HttpClientOptions options, Resolver& resolver, const std::atomic<bool>& stop)
    : parts_(std::make_unique<Parts>(std::move(options), resolver, stop)) {}
HttpClient::~HttpClient() = default;

Status HttpClient::Ask(const Question& question, AnswerReader& reader) {
  return parts_->Ask(question, reader);
}

void HttpClient::Stop() { parts_->io.stop(); }

Status HttpClient::Parts::Ask(const Question& question, AnswerReader& reader) {
  if (!options.server.tls) {
    beast::tcp_stream stream(io);
    BATON_RETURN_IF_ERROR(Connect(stream, question, reader));
    return Send(stream, question, reader);
  }
  BATON_ASSIGN_OR_RETURN(asio::ssl::context context, Trust());
  TlsStream stream(io, context);
  BATON_RETURN_IF_ERROR(Connect(beast::get_lowest_layer(stream), question, reader));
  BATON_RETURN_IF_ERROR(Shake(stream, reader));
  return Send(stream, question, reader);
}

Status HttpClient::Parts::Connect(beast::tcp_stream& stream, const Question& question,
                                  AnswerReader& reader) {
  BATON_ASSIGN_OR_RETURN(const Endpoints endpoints, Find());
  stream.expires_after(question.step);
  const Error error =
      Await(reader, [&](auto done) { stream.async_connect(endpoints, std::move(done)); });
  if (error) return Failure("cannot be reached", error);
  stream.socket().set_option(asio::ip::tcp::no_delay(true));
  return OkStatus();
}

Result<Endpoints> HttpClient::Parts::Find() {
  Error error;
  const asio::ip::address literal = asio::ip::make_address(options.server.host, error);
  if (!error) return Endpoints{{literal, static_cast<uint16_t>(options.server.port)}};
  const Result<Addresses> found = resolver.Ask(Name());
  if (stop) return Cancelled("the router ends");
  if (!found.ok())
    return Unavailable(options.subject + " cannot be found: " + found.status().message());
  Endpoints endpoints;
  for (const std::string& address : found->addresses) {
    BATON_ASSIGN_OR_RETURN(const auto endpoint, ToEndpoint(address));
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

Result<asio::ssl::context> HttpClient::Parts::Trust() const {
  asio::ssl::context context(asio::ssl::context::tls_client);
  Error error;
  if (options.authority_file.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.load_verify_file(options.authority_file, error);
  }
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  ERR_clear_error();
  if (!error) return context;
  return FailedPrecondition(options.authority_file +
                            ": is no certificate of an authority in PEM; " +
                            options.authority_advice);
}

Status HttpClient::Parts::Shake(TlsStream& stream, AnswerReader& reader) {
  SSL* const ssl = stream.native_handle();
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, options.server.host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(expected, options.server.host.data(), options.server.host.size());
    SSL_set_tlsext_host_name(ssl, options.server.host.c_str());
  }
  ERR_clear_error();
  const Error error = Await(reader, [&](auto done) {
    stream.async_handshake(asio::ssl::stream_base::client, std::move(done));
  });
  ERR_clear_error();
  if (!error) return OkStatus();
  const long why = SSL_get_verify_result(ssl);
  if (why == X509_V_OK || stop) return Failure("does not speak TLS", error);
  const std::string& file = options.authority_file;
  return FailedPrecondition(options.subject + " at " + Name() + " shows a certificate that " +
                            (file.empty() ? "no authority of this system" : file) +
                            (file.empty() ? " vouches for (" : " does not vouch for (") +
                            X509_verify_cert_error_string(why) + "); " +
                            options.certificate_advice);
}

template <typename Stream>
Status HttpClient::Parts::Send(Stream& stream, const Question& question, AnswerReader& reader) {
  const bool posts = !question.body.empty();
  http::request<http::string_body> request{posts ? http::verb::post : http::verb::get,
                                           question.target, 11};
  request.set(http::field::host, Name());
  request.set(http::field::user_agent, "baton");
  request.set(http::field::accept, "application/json");
  for (const auto& [name, value] : question.headers) request.set(name, value);
  request.keep_alive(false);
  request.body() = question.body;
  if (posts) request.prepare_payload();
  beast::get_lowest_layer(stream).expires_after(question.step);
  const Error error =
      Await(reader, [&](auto done) { http::async_write(stream, request, std::move(done)); });
  if (error) return Failure("takes no request", error);
  return Read(stream, question, reader);
}

template <typename Stream>
Status HttpClient::Parts::Read(Stream& stream, const Question& question, AnswerReader& reader) {
  beast::flat_buffer buffer(kMostHeadBytes + kPieceBytes);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(kMostHeadBytes);
  parser.body_limit(boost::none);
  Error error = Await(
      reader, [&](auto done) { http::async_read_header(stream, buffer, parser, std::move(done)); });
  if (error) return Failure("does not answer", error);
  const auto retry_after = parser.get()[http::field::retry_after];
  reader.OnHead({.http_status = static_cast<int>(parser.get().result_int()),
                 .retry_after = {retry_after.data(), retry_after.size()}});
  beast::get_lowest_layer(stream).expires_after(question.patience);
  std::vector<char> piece(kPieceBytes);
  while (!parser.is_done()) {
    parser.get().body() = {.data = piece.data(), .size = piece.size(), .more = true};
    error = Await(
        reader, [&](auto done) { http::async_read_some(stream, buffer, parser, std::move(done)); });
    const size_t bytes = piece.size() - parser.get().body().size;
    if (bytes > 0) BATON_RETURN_IF_ERROR(reader.OnBody({piece.data(), bytes}));
    if (error && error != http::error::need_buffer) return Failure("broke off its answer", error);
  }
  return OkStatus();
}

}  // namespace baton::outbound
