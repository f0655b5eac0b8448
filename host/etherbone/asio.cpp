// Boost.Asio, compiled once: with BOOST_ASIO_SEPARATE_COMPILATION its headers only declare.
#include <boost/asio/impl/src.hpp>
#if BITLOOP_TLS
#include <boost/asio/ssl/impl/src.hpp>
#endif
