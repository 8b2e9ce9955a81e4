#include "api_client.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

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

namespace baton::discovery {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Error = boost::system::error_code;
using Endpoints = std::vector<asio::ip::tcp::endpoint>;
using Stream = beast::ssl_stream<beast::tcp_stream>;

/// To be reached, to agree on TLS, and to begin to answer.
constexpr Duration kStepTimeout = std::chrono::seconds(10);
constexpr uint32_t kMostHeadBytes = 64 << 10;
constexpr size_t kPieceBytes = 64 << 10;

Result<asio::ip::tcp::endpoint> ToEndpoint(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  Error error;
  const asio::ip::address ip = asio::ip::make_address(host, error);
  if (error) return InvalidArgument(address + " is no address");
  return asio::ip::tcp::endpoint(ip, static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
}

}  // namespace

struct ApiClient::Parts {
  Parts(config::HttpsServer at, std::string authority, Resolver& names,
        const std::atomic<bool>& stopping)
      : server(std::move(at)),
        authority_file(std::move(authority)),
        resolver(names),
        stop(stopping) {}

  Status Get(const Question& question, AnswerReader& reader);
  Result<Endpoints> Find();
  Result<asio::ssl::context> Trust() const;
  Status Shake(Stream& stream, AnswerReader& reader);
  Status Ask(Stream& stream, const Question& question, AnswerReader& reader);
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
    return Unavailable("the API server at " + Name() + " " + what + ": " + error.message());
  }
  std::string Name() const {
    const bool six = server.host.find(':') != std::string::npos;
    return (six ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
  }

  const config::HttpsServer server;
  const std::string authority_file;
  Resolver& resolver;
  const std::atomic<bool>& stop;
  /// Before all that uses it.
  asio::io_context io{1};
};

ApiClient::ApiClient(config::HttpsServer server, std::string authority_file, Resolver& resolver,
                     const std::atomic<bool>& stop)
    : parts_(
          std::make_unique<Parts>(std::move(server), std::move(authority_file), resolver, stop)) {}
ApiClient::~ApiClient() = default;

Status ApiClient::Get(const Question& question, AnswerReader& reader) {
  return parts_->Get(question, reader);
}

void ApiClient::Stop() { parts_->io.stop(); }

Status ApiClient::Parts::Get(const Question& question, AnswerReader& reader) {
  BATON_ASSIGN_OR_RETURN(const Endpoints endpoints, Find());
  BATON_ASSIGN_OR_RETURN(asio::ssl::context context, Trust());
  Stream stream(io, context);
  beast::tcp_stream& tcp = beast::get_lowest_layer(stream);
  tcp.expires_after(kStepTimeout);
  const Error error =
      Await(reader, [&](auto done) { tcp.async_connect(endpoints, std::move(done)); });
  if (error) return Failure("cannot be reached", error);
  tcp.socket().set_option(asio::ip::tcp::no_delay(true));
  BATON_RETURN_IF_ERROR(Shake(stream, reader));
  return Ask(stream, question, reader);
}

Result<Endpoints> ApiClient::Parts::Find() {
  Error error;
  const asio::ip::address literal = asio::ip::make_address(server.host, error);
  if (!error) return Endpoints{{literal, static_cast<uint16_t>(server.port)}};
  const Result<Addresses> found = resolver.Ask(Name());
  if (stop) return Cancelled("the router ends");
  if (!found.ok())
    return Unavailable("the API server cannot be found: " + found.status().message());
  Endpoints endpoints;
  for (const std::string& address : found->addresses) {
    BATON_ASSIGN_OR_RETURN(const auto endpoint, ToEndpoint(address));
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

Result<asio::ssl::context> ApiClient::Parts::Trust() const {
  asio::ssl::context context(asio::ssl::context::tls_client);
  Error error;
  context.load_verify_file(authority_file, error);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  ERR_clear_error();
  if (!error) return context;
  return FailedPrecondition(authority_file +
                            ": is no certificate of an authority in PEM; it is to be that of the "
                            "cluster, which a pod's service account comes with");
}

Status ApiClient::Parts::Shake(Stream& stream, AnswerReader& reader) {
  SSL* const ssl = stream.native_handle();
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, server.host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(expected, server.host.data(), server.host.size());
    SSL_set_tlsext_host_name(ssl, server.host.c_str());
  }
  ERR_clear_error();
  const Error error = Await(reader, [&](auto done) {
    stream.async_handshake(asio::ssl::stream_base::client, std::move(done));
  });
  ERR_clear_error();
  if (!error) return OkStatus();
  const long why = SSL_get_verify_result(ssl);
  if (why == X509_V_OK || stop) return Failure("does not speak TLS", error);
  return FailedPrecondition("the API server at " + Name() + " shows a certificate that " +
                            authority_file + " does not vouch for (" +
                            X509_verify_cert_error_string(why) +
                            "); it is to be the authority of the same cluster, and "
                            "router.discovery.api_server a name or address in that certificate");
}

Status ApiClient::Parts::Ask(Stream& stream, const Question& question, AnswerReader& reader) {
  http::request<http::empty_body> request{http::verb::get, question.target, 11};
  request.set(http::field::host, Name());
  request.set(http::field::user_agent, "baton");
  request.set(http::field::accept, "application/json");
  request.set(http::field::authorization, "Bearer " + question.token);
  request.keep_alive(false);
  beast::get_lowest_layer(stream).expires_after(kStepTimeout);
  const Error error =
      Await(reader, [&](auto done) { http::async_write(stream, request, std::move(done)); });
  if (error) return Failure("takes no request", error);
  return Read(stream, question, reader);
}

Status ApiClient::Parts::Read(Stream& stream, const Question& question, AnswerReader& reader) {
  beast::flat_buffer buffer(kMostHeadBytes + kPieceBytes);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(kMostHeadBytes);
  parser.body_limit(boost::none);
  Error error = Await(
      reader, [&](auto done) { http::async_read_header(stream, buffer, parser, std::move(done)); });
  if (error) return Failure("does not answer", error);
  reader.OnHead(parser.get().result_int());
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

}  // namespace baton::discovery
