#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/device/device.h"
#include "host/etherbone/digest.h"
#include "host/etherbone/packet.h"
#include "host/etherbone/service.h"

namespace bitloop::host::etherbone {

/// A device as one client sees it through Etherbone: packets in, replies out, at the addresses of service.h.
/// No sockets: whoever has some hands over what they brought.
///
/// Nothing that a packet says makes it throw or take more memory: what cannot be done is refused (reads give
/// 0, writes do nothing), counted, and told on the service page. One per client, made when it gets the
/// device. Not thread-safe; the device must outlive it.
class ServedDevice {
 public:
  struct Options {
    bool bare = false;       ///< no service page
    bool datagrams = false;  ///< packets may come twice or not at all
  };
  ServedDevice(Device& device, Options options);

  struct Taken {
    std::size_t bytes = 0;          ///< of the packets that have been dealt with
    bool paused = false;            ///< whole packets may be left: look after others, then call again
    const char* foreign = nullptr;  ///< why what follows is no packet of ours; nothing can follow it
  };
  /// Deals with the whole packets at the front of `bytes` and appends the replies. Takes about 10 ms at most,
  /// and kWaitMilliseconds more where a packet waits for a job.
  Taken take(std::span<const std::byte> bytes, std::vector<std::byte>& replies);

  /// A job runs that `step` should be called for until it has ended: time passes for a simulated device only
  /// then.
  [[nodiscard]] bool running() const { return started_ && spent_ < limit_; }
  void step();

  /// The client said that it has done (datagrams).
  [[nodiscard]] bool released() const { return released_; }
  [[nodiscard]] std::uint32_t refusals() const { return refusals_; }
  [[nodiscard]] std::string_view refusal() const { return refusal_.data(); }  ///< why the last one was

 private:
  using Clock = std::chrono::steady_clock;
  enum class Window { registers, service, memory, none };
  /// Where an address lies, and how many bytes follow up to the window's end.
  struct Place {
    Window window = Window::none;
    Address offset = 0;
    Address room = 0;
  };

  [[nodiscard]] Place find(std::uint64_t address) const;
  void write(const Packet& packet);
  void write_memory(Address offset, std::span<const std::byte> data);
  void flush_writes();
  void write_registers(std::uint32_t offset, std::span<const std::byte> data);
  void write_service(std::uint32_t offset, std::uint32_t value);
  void read(const Packet& packet, std::span<std::byte> data);
  [[nodiscard]] std::size_t run_length(const Packet& packet, std::size_t first, const Place& place) const;
  void read_run(const Place& place, std::uint64_t address, std::span<std::byte> data);
  void read_registers(std::uint32_t offset, std::span<std::byte> data);
  std::uint32_t read_service(std::uint32_t offset);
  std::uint32_t wait_for_end();
  void reset_device();
  void fill_page();
  void refuse(std::string_view why);
  template <class Work>
  bool attempt(const Work& work);

  Device& device_;
  Options options_;
  Address memory_size_;
  std::array<std::uint32_t, service::kPageSize / 4> page_{};  ///< of the service page, what does not change

  // Writes to consecutive memory, not yet in the device: a call for each packet would be dear on a board.
  std::vector<std::byte> gathered_;
  Address gathered_at_ = 0;

  bool started_ = false;  ///< START was written, and the job has not ended
  std::uint32_t sequence_ = 0;
  Cycles spent_ = 0;  ///< by `step`, since START
  Cycles limit_ = ~Cycles{0};

  std::size_t padding_ = 0;                 ///< so many zeros may follow the probe before
  std::optional<AddressSize> packet_size_;  ///< of the packet before, which may have more records

  Digest received_;
  Digest sent_;
  std::uint32_t refusals_ = 0;
  std::array<char, service::kRefusalTextBytes> refusal_{};
  bool released_ = false;

  bool slow_ = false;  ///< the packet did more than to move memory
  bool waited_ = false;
  Clock::time_point wait_end_;
};

}  // namespace bitloop::host::etherbone
