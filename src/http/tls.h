#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "baton/access/certificate.h"
#include "baton/base/clock.h"
#include "baton/base/file_watch.h"
#include "baton/base/status.h"

namespace baton::http {

/// The server's side of TLS on one connection: bytes in, bytes out, no sockets, so that a
/// connection reads and writes as without it. *Threads*: lives on one thread.
class TlsSession {
 public:
  enum class State {
    kHandshake,
    kOpen,
    /// The client said that no more comes.
    kClosed,
    /// What came was no TLS, or none that can be gone on with.
    kBroken,
  };

  struct Parts;
  explicit TlsSession(std::unique_ptr<Parts> parts);
  ~TlsSession();

  /// Takes what came from the client and appends to `plain` what it says.
  void Receive(std::string_view bytes, std::string& plain);
  /// REQUIRES: the state is kOpen or kClosed.
  void Send(std::string_view plain);
  /// Says that no more comes; nothing before the session is open.
  void SayGoodbye();
  /// What is to be sent to the client by now.
  std::string TakeOutput();
  State state() const;

 private:
  std::unique_ptr<Parts> parts_;
};

/// What sessions begin with: the certificate as its files have it. They are read again once they
/// have changed; those that cannot be read leave the certificate as it is, and are logged.
/// *Threads*: lives on one thread.
class TlsContext {
 public:
  /// *Fails with* InvalidArgument for files that are no certificate and its key. REQUIRES: `clock`
  /// outlives this.
  static Result<std::unique_ptr<TlsContext>> Load(const access::CertificateFiles& files,
                                                  const Clock& clock);
  ~TlsContext();

  /// Null when memory is short.
  std::unique_ptr<TlsSession> NewSession();

 private:
  struct Parts;
  TlsContext(const access::CertificateFiles& files, const Clock& clock);
  Status Read();

  const access::CertificateFiles files_;
  FileWatch watch_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::http
