#include "certificates.h"

#include <fstream>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "baton/base/check.h"

namespace baton::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr long kHour = 3600;

void AddExtension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  BATON_CHECK(extension != nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// A certificate without issuer and signature, valid for an hour either way.
Certificate MakeCertificate(const std::string& name, EVP_PKEY* key) {
  static long serial = 0;
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kHour);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kHour);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

template <typename Write>
std::string Pem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
  BATON_CHECK(write(bio.get()) == 1);
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(count));
}

void Replace(const std::string& file, const std::string& text) {
  std::ofstream(file + ".new") << text;
  std::filesystem::rename(file + ".new", file);
}

}  // namespace

struct Authority::Parts {
  Key key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  Certificate certificate{nullptr, X509_free};
};

Authority::Authority(const std::string& name) : parts_(std::make_unique<Parts>()) {
  EVP_PKEY* const key = parts_->key.get();
  parts_->certificate = MakeCertificate(name, key);
  X509* const certificate = parts_->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  X509_sign(certificate, key, EVP_sha256());
}

Authority::~Authority() = default;

std::string Authority::certificate() const {
  return Pem([this](BIO* bio) { return PEM_write_bio_X509(bio, parts_->certificate.get()); });
}

void Authority::Issue(const std::string& name, const std::filesystem::path& file) const {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate = MakeCertificate(name, key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(parts_->certificate.get()));
  AddExtension(certificate.get(), NID_subject_alt_name,
               ("DNS:" + name + ",DNS:localhost,IP:127.0.0.1").c_str());
  X509_sign(certificate.get(), parts_->key.get(), EVP_sha256());
  Replace(file.string() + ".pem",
          Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }));
  Replace(file.string() + ".key", Pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          }));
}

}  // namespace baton::test
