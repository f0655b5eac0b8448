#include "host/etherbone/tls.h"

#if BITLOOP_TLS

#include <fmt/format.h>

#include <boost/system/error_code.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "host/base/error.h"

namespace bitloop::host::etherbone {
namespace {

namespace ssl = boost::asio::ssl;

void check(const boost::system::error_code& error, const char* what, const char* option,
           const std::filesystem::path& file) {
  if (!error) return;
  if (file.empty()) throw InputError(fmt::format("TLS needs {}: give {}=FILE (PEM)", what, option));
  throw InputError(fmt::format("TLS: {} {} cannot be used ({}); give a PEM file that fits with {}=", what,
                               file.string(), error.message(), option));
}

/// OpenSSL says nothing that helps of a file that is not there.
void require_readable(const char* what, const char* option, const std::filesystem::path& file) {
  if (file.empty() || std::ifstream(file)) return;
  throw InputError(fmt::format("TLS: {} {} cannot be read ({}): give another file with {}=", what,
                               file.string(), std::strerror(errno), option));
}

}  // namespace

ssl::context make_tls_context(const TlsFiles& files, bool server) {
  ssl::context context(server ? ssl::context::tls_server : ssl::context::tls_client);
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                      ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  boost::system::error_code error;
  require_readable("the authority's certificate", "ca", files.authority);
  require_readable("the certificate", "cert", files.certificate);
  require_readable("the private key", "key", files.key);
  context.load_verify_file(files.authority.string(), error);
  check(error, "the authority's certificate", "ca", files.authority);
  context.use_certificate_chain_file(files.certificate.string(), error);
  check(error, "the certificate", "cert", files.certificate);
  context.use_private_key_file(files.key.string(), ssl::context::pem, error);
  check(error, "the private key", "key", files.key);
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    throw InputError(fmt::format("TLS: the private key {} is not that of the certificate {}",
                                 files.key.string(), files.certificate.string()));
  }
  return context;
}

}  // namespace bitloop::host::etherbone

#endif
