#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace bitloop::sim::test {

/// One thing that goes wrong on the way, once, when a byte of one direction passes.
struct Fault {
  enum class Kind {
    none,
    cut,    ///< the connection ends there, both ways
    stall,  ///< nothing passes any more until one end closes
    flip,   ///< one bit of the byte is turned over
    drop,   ///< the byte is left out
    crumb,  ///< from there on bytes pass one by one for a while, and then the connection ends
    act,    ///< `action` is called (a server killed, a board restarted), and bytes go on as they can
  };
  Kind kind = Kind::none;
  bool to_server = true;
  std::size_t at = 0;  ///< bytes of this direction that pass before, over all connections since `arm`
  unsigned bit = 0;
  std::function<void()> action;
};

/// A TCP relay on loopback that passes bytes between clients and a server, with one fault at a time.
class FaultyWire {
 public:
  FaultyWire();
  ~FaultyWire();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Where new connections go to; 0: they are refused.
  void connect_to(std::uint16_t upstream) { upstream_ = upstream; }
  /// The fault comes once; counters of bytes start anew. Connections that stand go on.
  void arm(Fault fault);
  [[nodiscard]] bool struck() const { return struck_; }
  /// Bytes that passed since `arm`.
  [[nodiscard]] std::size_t passed(bool to_server) const { return passed_[to_server ? 1 : 0]; }

 private:
  struct Pair;

  void run();
  bool relay(Pair& pair, bool to_server);
  bool strike(Pair& pair, bool to_server, std::string& bytes);

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::uint16_t> upstream_{0};
  std::mutex mutex_;  // of fault_
  Fault fault_;
  std::atomic<bool> struck_{false};
  std::atomic<std::size_t> passed_[2]{};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace bitloop::sim::test
