#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace baton::test {

/// An authority that makes certificates, for tests. *Threads*: lives on one thread.
class Authority {
 public:
  explicit Authority(const std::string& name);
  ~Authority();

  /// Its own certificate, in PEM.
  std::string certificate() const;
  /// Writes a certificate for `name` and 127.0.0.1, and its key, to <file>.pem and <file>.key; each
  /// is replaced at once.
  void Issue(const std::string& name, const std::filesystem::path& file) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::test
