#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "host/driver/address.h"

namespace bitloop::host::test {

/// An authority of a test's own, which signs certificates for an hour; the files go with the object.
class Authority {
 public:
  explicit Authority(const std::string& name)
      : folder_(std::filesystem::temp_directory_path() /
                ("bitloop_tls_" + name + "_" + std::to_string(::getpid()))),
        key_(EVP_EC_gen("P-256"), EVP_PKEY_free),
        certificate_(certificate("authority " + name, key_.get(), nullptr, "")) {
    std::filesystem::create_directories(folder_);
    save(certificate_.get(), folder_ / "ca.pem");
  }
  ~Authority() { std::filesystem::remove_all(folder_); }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  /// Files of one end that this authority vouches for. `names`: as OpenSSL writes them ("IP:127.0.0.1"), or
  /// empty.
  TlsFiles issue(const std::string& owner, const std::string& names) {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const TlsFiles files{folder_ / "ca.pem", folder_ / (owner + ".pem"), folder_ / (owner + ".key")};
    save(certificate(owner, key.get(), certificate_.get(), names).get(), files.certificate);
    const File file(std::fopen(files.key.c_str(), "w"), std::fclose);
    check(PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
    return files;
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
  using File = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

  static void check(int result) {
    if (result <= 0) throw std::runtime_error("OpenSSL failed");
  }

  static void save(X509* certificate, const std::filesystem::path& path) {
    const File file(std::fopen(path.c_str(), "w"), std::fclose);
    check(PEM_write_X509(file.get(), certificate));
  }

  static void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    check(extension != nullptr && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
  }

  /// Signed by this authority, or (without an issuer) by itself.
  Certificate certificate(const std::string& owner, EVP_PKEY* key, X509* issuer,
                          const std::string& names) const {
    static long serial = 1;
    Certificate made(X509_new(), X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), key);
    X509_NAME* name = X509_get_subject_name(made.get());
    const auto* text = reinterpret_cast<const unsigned char*>(owner.c_str());
    check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0));
    X509_set_issuer_name(made.get(), issuer != nullptr ? X509_get_subject_name(issuer) : name);
    extend(made.get(), issuer != nullptr ? issuer : made.get(), NID_basic_constraints,
           issuer != nullptr ? "CA:FALSE" : "critical,CA:TRUE");
    if (!names.empty()) extend(made.get(), issuer, NID_subject_alt_name, names);
    check(X509_sign(made.get(), key_.get(), EVP_sha256()));
    return made;
  }

  std::filesystem::path folder_;
  Key key_;
  Certificate certificate_;
};

}  // namespace bitloop::host::test
