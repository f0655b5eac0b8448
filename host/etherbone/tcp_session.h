#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/etherbone/served_device.h"
#include "host/etherbone/wire.h"

namespace bitloop::host::etherbone {

/// One client of a TCP server: comes, perhaps waits, has the device, goes. What it may make the server keep
/// is bounded: kWaitingInput while it waits, kInput and about twice kBacklog while it has the device.
///
/// All in the thread of its io_context; its handlers keep it alive. It calls `arrived` once, where it proved
/// who it is, and `gone` once, with the reason, where it was not `close` that ended it.
class TcpSession : public std::enable_shared_from_this<TcpSession> {
 public:
  using Clock = std::chrono::steady_clock;
  using Pointer = std::shared_ptr<TcpSession>;
  struct Events {
    std::function<void(const Pointer&)> arrived;
    std::function<void(const Pointer&, std::string_view)> gone;  ///< throws nothing
  };
  TcpSession(std::unique_ptr<Wire> wire, Events events);

  void start();
  /// It waits for the device, or ends (after `line` has been sent).
  void wait(std::string_view line);
  void send_away(std::string_view line);
  /// It has the device from now on, and is told by `line`, unless it has spoken while it waited: one that
  /// does not wait for the line, as LiteX's clients, takes it for a reply.
  void serve(Device& device, ServedDevice::Options options, std::string_view line);
  void close();
  /// Does what concerns it. What that throws (no memory) ends it: the device must not stay with a session
  /// that nobody serves any more.
  template <class Work>
  void attempt(const Work& work) noexcept {
    try {
      work();
    } catch (const std::exception& e) {
      end(e.what());
    }
  }

  [[nodiscard]] const std::string& name() const { return name_; }  ///< "127.0.0.1:1234"
  [[nodiscard]] ServedDevice* served() { return served_ ? &*served_ : nullptr; }
  [[nodiscard]] double seconds() const;  ///< since it got the device

  static constexpr std::size_t kWaitingInput = 4 * 1024;
  static constexpr std::size_t kInput = 1024 * 1024;
  static constexpr std::size_t kBacklog = 2 * 1024 * 1024;
  static constexpr std::chrono::seconds kProof{5};  ///< for a TLS handshake, and to take a last line

 private:
  template <class Work>
  auto handler(Work work);
  void tell(std::string_view line);
  void read_more();
  void go_on();
  void send();
  void sent(const boost::system::error_code& error);
  void end(std::string_view why);
  void limit_time();

  std::unique_ptr<Wire> wire_;
  Events events_;
  std::string name_;
  boost::asio::steady_timer deadline_;
  std::optional<ServedDevice> served_;
  Clock::time_point since_;

  std::vector<std::byte> input_;
  std::size_t begin_ = 0;  ///< of what was received and not dealt with
  std::size_t end_ = 0;
  std::vector<std::byte> replies_;  ///< to be sent
  std::vector<std::byte> sending_;  ///< being sent
  bool reading_ = false;
  bool stalled_ = false;  ///< until replies are sent
  bool leaving_ = false;  ///< ends once all is sent
  bool closed_ = false;
};

}  // namespace bitloop::host::etherbone
