#include "tls.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "baton/base/check.h"
#include "baton/base/logging.h"

namespace baton::http {

namespace {

constexpr Duration kLookInterval = std::chrono::seconds(1);
/// All that is spoken here, in the form of ALPN: its length, then its name.
constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* bytes,
                   const unsigned char* offered, unsigned int offered_bytes, void*) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, bytes, kProtocols.data(), kProtocols.size(), offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct TlsSession::Parts {
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
  /// Owned by `ssl`.
  BIO* in = nullptr;
  BIO* out = nullptr;
  State state = State::kHandshake;

  /// After a call that returned `result`: whether it only waits for more.
  bool Waits(int result) {
    const int error = SSL_get_error(ssl.get(), result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ) return true;
    state = error == SSL_ERROR_ZERO_RETURN ? State::kClosed : State::kBroken;
    return false;
  }
};

TlsSession::TlsSession(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TlsSession::~TlsSession() = default;

TlsSession::State TlsSession::state() const { return parts_->state; }

void TlsSession::Receive(std::string_view bytes, std::string& plain) {
  SSL* const ssl = parts_->ssl.get();
  BATON_CHECK(bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()));
  if (BIO_write(parts_->in, bytes.data(), static_cast<int>(bytes.size())) !=
      static_cast<int>(bytes.size())) {
    parts_->state = State::kBroken;
  }
  if (parts_->state == State::kHandshake) {
    const int result = SSL_do_handshake(ssl);
    if (result == 1) {
      parts_->state = State::kOpen;
    } else if (parts_->Waits(result) || parts_->state == State::kBroken) {
      return;
    }
  }
  std::array<char, 16384> chunk;
  while (parts_->state == State::kOpen) {
    const int read = SSL_read(ssl, chunk.data(), static_cast<int>(chunk.size()));
    if (read > 0) {
      plain.append(chunk.data(), static_cast<size_t>(read));
    } else if (parts_->Waits(read)) {
      return;
    }
  }
}

void TlsSession::Send(std::string_view plain) {
  if (plain.empty()) return;
  // Into memory, which takes all.
  if (SSL_write(parts_->ssl.get(), plain.data(), static_cast<int>(plain.size())) <= 0) {
    parts_->state = State::kBroken;
  }
  ERR_clear_error();
}

void TlsSession::SayGoodbye() {
  if (parts_->state != State::kOpen && parts_->state != State::kClosed) return;
  (void)SSL_shutdown(parts_->ssl.get());
  ERR_clear_error();
}

std::string TlsSession::TakeOutput() {
  std::string output(BIO_ctrl_pending(parts_->out), '\0');
  if (!output.empty()) (void)BIO_read(parts_->out, output.data(), static_cast<int>(output.size()));
  return output;
}

struct TlsContext::Parts {
  Context context{nullptr, SSL_CTX_free};
};

TlsContext::TlsContext(const access::CertificateFiles& files, const Clock& clock)
    : files_(files),
      watch_({files.certificate, files.key}, kLookInterval, clock),
      parts_(std::make_unique<Parts>()) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::Load(const access::CertificateFiles& files,
                                                     const Clock& clock) {
  std::unique_ptr<TlsContext> context(new TlsContext(files, clock));
  BATON_RETURN_IF_ERROR(context->Read());
  return context;
}

Status TlsContext::Read() {
  BATON_RETURN_IF_ERROR(access::CheckCertificate(files_));
  Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return Internal("no TLS can be had of OpenSSL");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Idle connections keep no buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseProtocol, nullptr);
  const bool loaded =
      SSL_CTX_use_certificate_chain_file(context.get(), files_.certificate.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), files_.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_check_private_key(context.get()) == 1;
  ERR_clear_error();
  if (!loaded) return InvalidArgument(files_.certificate + ": OpenSSL does not take it");
  parts_->context = std::move(context);
  return OkStatus();
}

std::unique_ptr<TlsSession> TlsContext::NewSession() {
  if (watch_.Changed()) {
    const Status status = Read();
    if (status.ok()) {
      BATON_LOG(Info) << "read the certificate " << files_.certificate;
    } else {
      BATON_LOG(Error) << "the certificate stays as it was: " << status.message();
    }
  }
  auto parts = std::make_unique<TlsSession::Parts>();
  parts->ssl.reset(SSL_new(parts_->context.get()));
  parts->in = BIO_new(BIO_s_mem());
  parts->out = BIO_new(BIO_s_mem());
  if (!parts->ssl || parts->in == nullptr || parts->out == nullptr) {
    BIO_free(parts->in);
    BIO_free(parts->out);
    return nullptr;
  }
  SSL_set_bio(parts->ssl.get(), parts->in, parts->out);
  SSL_set_accept_state(parts->ssl.get());
  return std::make_unique<TlsSession>(std::move(parts));
}

}  // namespace baton::http
