#pragma once

#include <string>

#include "baton/base/status.h"

namespace baton::access {

/// Files in PEM: a certificate, with those that lead to its authority behind it, and its key.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  bool empty() const { return certificate.empty(); }
};

/// *Fails with* InvalidArgument unless both can be read and belong together.
Status CheckCertificate(const CertificateFiles& files);

/// *Fails with* InvalidArgument unless `file` holds a certificate.
Status CheckAuthority(const std::string& file);

}  // namespace baton::access
