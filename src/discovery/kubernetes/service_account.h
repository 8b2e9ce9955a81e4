#pragma once

#include <string>

#include "baton/base/status.h"

namespace baton::discovery {

/// What a pod is given to show the API server. Its files are replaced while it runs, so each is
/// read when it is needed. *Threads*: immutable.
class ServiceAccount {
 public:
  /// Empty: where pods have it.
  explicit ServiceAccount(std::string folder);

  /// Fails with FailedPrecondition naming the file and what to do.
  Result<std::string> Token() const;
  Result<std::string> Namespace() const;
  /// Of those that sign the API server's certificate, in PEM.
  std::string authority_file() const { return folder_ + "/ca.crt"; }
  std::string token_file() const { return folder_ + "/token"; }

 private:
  const std::string folder_;
};

}  // namespace baton::discovery
