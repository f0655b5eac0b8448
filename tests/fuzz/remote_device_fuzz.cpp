// libFuzzer on what a client takes from the network: whatever a server says, on a loopback socket of this
// process, ends in a device or in a DeviceError, without waiting for more than was said.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "host/base/error.h"
#include "host/driver/address.h"
#include "host/driver/driver.h"
#include "host/etherbone/remote_device.h"

namespace {

using namespace bitloop;

/// Says one thing to each client, and then no more.
class Server {
 public:
  Server() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 4) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    std::thread([this] { serve(); }).detach();  // as long as the process
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  void say(std::string words) {
    const std::lock_guard lock(mutex_);
    words_ = std::move(words);
  }

 private:
  [[noreturn]] void serve() {
    for (;;) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      std::string words;
      {
        const std::lock_guard lock(mutex_);
        words = words_;
      }
      (void)send(client, words.data(), words.size(), MSG_NOSIGNAL);
      shutdown(client, SHUT_WR);
      std::array<char, 4096> room;
      while (recv(client, room.data(), room.size(), 0) > 0) {
      }
      close(client);
    }
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::string words_;
};

}  // namespace

/// The first byte chooses how the client is, and whether the server greets as ours does.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Server& server = *new Server;
  if (size == 0) return 0;
  const std::string greeting = (data[0] & 1) != 0 ? "Bitloop 1 ready\n" : "";
  server.say(greeting + std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  const std::string options = (data[0] & 2) != 0 ? "&registers=0&memory=0x40000000&size=64K&base=0" : "";
  try {
    const auto device = host::etherbone::open_remote_device(host::parse_device(
        "tcp://127.0.0.1:" + std::to_string(server.port()) + "?timeout=0.2&connect=0.05&job=0.1" + options));
    const host::Driver driver(*device);
    std::array<std::byte, 3000> bytes;
    device->read_memory(4096, bytes);
    device->write_memory(1, bytes);
    (void)device->wait_done(1, 1000);
    device->confirm();
  } catch (const DeviceError&) {
  }
  return 0;
}
