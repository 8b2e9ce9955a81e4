#include "baton/access/certificate.h"

#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace baton::access {

namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using File = std::unique_ptr<BIO, Freed<BIO_free_all>>;

/// A key that asks for a passphrase gets none.
int NoPassphrase(char*, int, int, void*) { return -1; }

Result<Certificate> ReadCertificate(const std::string& file) {
  const File bio(BIO_new_file(file.c_str(), "r"));
  Certificate certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)
                              : nullptr);
  ERR_clear_error();
  if (!certificate) return InvalidArgument(file + ": no certificate in PEM can be read");
  return certificate;
}

}  // namespace

Status CheckCertificate(const CertificateFiles& files) {
  BATON_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(files.certificate));
  const File bio(BIO_new_file(files.key.c_str(), "r"));
  const PrivateKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr)
                           : nullptr);
  const bool fits = key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!key) return InvalidArgument(files.key + ": no private key in PEM can be read");
  if (!fits) return InvalidArgument(files.key + ": is not the key of " + files.certificate);
  return OkStatus();
}

Status CheckAuthority(const std::string& file) { return ReadCertificate(file).status(); }

}  // namespace baton::access
