#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace baton::test {

/// One TLS connection to a server on 127.0.0.1, for tests; every wait has a deadline.
/// *Threads*: lives on one thread.
class TlsClient {
 public:
  /// Trusts certificates of `authority`, in PEM. `versions` is 0 for any, else a protocol number of
  /// OpenSSL's, the highest to speak.
  TlsClient(uint16_t port, const std::string& authority, int highest_version = 0);
  ~TlsClient();

  /// The handshake succeeded, and the server showed a certificate of the authority.
  bool connected() const;
  /// Whose certificate the server showed, e.g. "server-1".
  std::string server_name() const;
  bool Send(std::string_view bytes);
  /// What the server sends next, one record of TLS at most; empty once it has ended.
  std::string Read();
  /// All until the server ends; empty when it does not do so as TLS asks for.
  std::string ReadAll();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::test
