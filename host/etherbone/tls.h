#pragma once

#if BITLOOP_TLS

#include <boost/asio/ssl/context.hpp>

#include "host/driver/address.h"

namespace bitloop::host::etherbone {

/// TLS 1.2 or later, where each end proves with a certificate that the authority signed who it is: what one
/// end of a connection needs. Throws InputError naming the file that is missing, unreadable or does not fit.
boost::asio::ssl::context make_tls_context(const TlsFiles& files, bool server);

}  // namespace bitloop::host::etherbone

#endif
