#include "tls_client.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace baton::test {

struct TlsClient::Parts {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
  int socket = -1;
  bool connected = false;

  ~Parts() {
    ssl.reset();
    if (socket >= 0) close(socket);
  }

  void Trust(const std::string& authority) {
    BIO* const bio = BIO_new_mem_buf(authority.data(), static_cast<int>(authority.size()));
    X509* const certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), certificate);
    X509_free(certificate);
    BIO_free(bio);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }

  bool Dial(uint16_t port) {
    socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
};

TlsClient::TlsClient(uint16_t port, const std::string& authority, int highest_version)
    : parts_(std::make_unique<Parts>()) {
  parts_->context.reset(SSL_CTX_new(TLS_client_method()));
  parts_->Trust(authority);
  if (highest_version != 0) {
    // Old versions need what OpenSSL's level 1 forbids.
    SSL_CTX_set_security_level(parts_->context.get(), 0);
    SSL_CTX_set_max_proto_version(parts_->context.get(), highest_version);
  }
  if (!parts_->Dial(port)) return;
  parts_->ssl.reset(SSL_new(parts_->context.get()));
  SSL_set_fd(parts_->ssl.get(), parts_->socket);
  parts_->connected = SSL_connect(parts_->ssl.get()) == 1;
  ERR_clear_error();
}

TlsClient::~TlsClient() = default;

bool TlsClient::connected() const { return parts_->connected; }

std::string TlsClient::server_name() const {
  X509* const certificate = SSL_get1_peer_certificate(parts_->ssl.get());
  if (certificate == nullptr) return {};
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  X509_free(certificate);
  return name.data();
}

bool TlsClient::Send(std::string_view bytes) {
  return connected() && SSL_write(parts_->ssl.get(), bytes.data(),
                                  static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

std::string TlsClient::Read() {
  std::array<char, 16384> record;
  const int count =
      connected() ? SSL_read(parts_->ssl.get(), record.data(), static_cast<int>(record.size())) : 0;
  ERR_clear_error();
  return std::string(record.data(), static_cast<size_t>(std::max(count, 0)));
}

std::string TlsClient::ReadAll() {
  std::string text;
  std::array<char, 16384> chunk;
  while (connected()) {
    const int count = SSL_read(parts_->ssl.get(), chunk.data(), static_cast<int>(chunk.size()));
    if (count > 0) {
      text.append(chunk.data(), static_cast<size_t>(count));
      continue;
    }
    const bool orderly = SSL_get_error(parts_->ssl.get(), count) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return orderly ? text : "";
  }
  return {};
}

}  // namespace baton::test
