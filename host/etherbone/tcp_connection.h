#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "host/driver/address.h"

namespace bitloop::host::etherbone {

/// A client's TCP or TLS connection: bytes both ways at once, and no wait without a deadline.
///
/// Bytes move only inside `progress`. Once it threw, the connection is of no more use. Not thread-safe.
class TcpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~TcpConnection() = default;
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  /// To be sent; they must stay as they are while `sending`. One call at a time.
  void send(std::span<const std::byte> bytes) { outgoing_ = bytes; }
  [[nodiscard]] bool sending() const { return !outgoing_.empty() || writing_; }
  /// Bytes that the other end's machine has not said it has: of those to be sent, and of what the system
  /// still holds of earlier ones.
  [[nodiscard]] std::size_t unsent() const;
  /// What came and was not consumed yet.
  [[nodiscard]] std::span<const std::byte> received() const {
    return std::span(buffer_).subspan(consumed_, filled_ - consumed_);
  }
  void consume(std::size_t bytes) { consumed_ += bytes; }
  /// The other end has said something.
  [[nodiscard]] bool heard() const { return heard_; }
  /// True once some bytes went or came; false at `until`, after one look at what lies there. Throws
  /// DeviceLost where the connection is cut, and DeviceError where the other end refuses it (its TLS does not
  /// accept our certificate).
  bool progress(Clock::time_point until);

 protected:
  TcpConnection(std::string name, std::unique_ptr<boost::asio::io_context> context);

  [[nodiscard]] virtual int descriptor() const = 0;
  virtual void start_write(std::span<const std::byte> bytes) = 0;
  virtual void start_read(std::span<std::byte> room) = 0;
  void written(const boost::system::error_code& error, std::size_t bytes);
  void has_read(const boost::system::error_code& error, std::size_t bytes);

 private:
  static constexpr std::size_t kBufferBytes = 512 << 10;

  std::string name_;  ///< of the other end, for messages
  std::span<const std::byte> outgoing_;
  std::vector<std::byte> buffer_;
  std::size_t consumed_ = 0;
  std::size_t filled_ = 0;
  bool writing_ = false;
  bool reading_ = false;
  bool moved_ = false;
  bool heard_ = false;  ///< something came
  boost::system::error_code error_;
  std::unique_ptr<boost::asio::io_context> context_;
};

/// Connects and, for tcp+tls, proves who is who. Throws DeviceLost where nobody answers until then,
/// DeviceError where TLS fails, and InputError for certificates that cannot be used.
std::unique_ptr<TcpConnection> open_tcp_connection(const DeviceAddress& address,
                                                   TcpConnection::Clock::time_point until);

}  // namespace bitloop::host::etherbone
