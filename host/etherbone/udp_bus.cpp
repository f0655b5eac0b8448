#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/alertness.h"
#include "host/etherbone/packet.h"
#include "host/etherbone/printable.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/resolve.h"
#include "host/etherbone/round_trip.h"
#include "host/etherbone/service.h"

namespace bitloop::host::etherbone {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Longer between two copies of a request makes no network better.
constexpr milliseconds kLongestPause{250};
/// For a request whose answer the server may hold back: how long until it is asked again.
constexpr milliseconds kPatience{10};
/// Words per record that are taken by whoever did not say yet (LiteEth's smallest buffer).
constexpr std::size_t kSafeRecord = 4;
/// Words per record whose packets, with 64-bit addresses, fit into an Ethernet frame.
constexpr std::size_t kWideRecord = 180;

/// Etherbone over UDP: a packet per datagram, any of which may be lost, late, or come twice.
///
/// Every request reads: one that writes ends with the read of a word, whose answer tells that the writes were
/// done (they come first within a record). A request is numbered by its tag and sent again until its answer
/// comes; answers to anything else are dropped. So all is done at least once, and what is left to fear are
/// copies of a write that arrive after it was answered, at most `lifetime` after the last of them was sent:
///  - a write to memory writes the same bytes again, so only a later write to the same place, or a job that
///    uses the place, must not come before its copies have gone: `write` waits for those that it overlaps,
///    and `write_together` (which may start a job) for all;
///  - a write to registers may do anything again (a job starts once more), so every later write waits for its
///    copies; and who has seen the job end calls `settle` before it trusts what the device holds.
class UdpBus final : public Bus {
 public:
  explicit UdpBus(const DeviceAddress& address)
      : address_(address),
        name_(peer_name(address)),
        socket_(context_),
        slots_(static_cast<std::size_t>(address.window)),
        tag_(std::random_device{}()) {
    limit_record(kSafeRecord);
    const udp::endpoint peer(resolve_host(address, after(address.connect_timeout)).front(), address.port);
    socket_.connect(peer);
    socket_.non_blocking(true);
  }

  /// Tells the server that another client may have the device; where that is lost, the server finds out.
  ~UdpBus() override {
    if (!served_) return;
    try {
      address_.timeout = std::min(address_.timeout, DeviceAddress::Seconds(0.2));
      const std::array release{std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0}};
      write_together(service::kServicePage + service::kRelease, release);
    } catch (const std::exception&) {
    }
  }
  UdpBus(const UdpBus&) = delete;
  UdpBus& operator=(const UdpBus&) = delete;

  void write(std::uint64_t address, std::span<const std::byte> bytes) override {
    await(registers_sent_);
    for (const Written& before : written_) {
      if (before.begin < address + bytes.size() && address < before.end) await(before.sent);
    }
    std::erase_if(written_, [&](const Written& w) { return Clock::now() >= w.sent + lifetime(); });
    const std::size_t place = written_.size();
    written_.push_back({address, address + bytes.size(), Clock::now()});
    ask((bytes.size() + record_bytes_ - 1) / record_bytes_, [&](std::size_t i, Slot& slot) {
      const auto piece =
          bytes.subspan(i * record_bytes_, std::min(record_bytes_, bytes.size() - i * record_bytes_));
      const std::uint64_t at = address + i * record_bytes_;
      slot.sent = &written_[place].sent;
      slot.answer = slot.ignored;
      append_request(slot.packet, address_.address_size, at, piece, at + piece.size() - 4, 1, slot.tag);
    });
  }

  void read(std::uint64_t address, std::span<std::byte> bytes) override {
    ask((bytes.size() + record_bytes_ - 1) / record_bytes_, [&](std::size_t i, Slot& slot) {
      slot.answer =
          bytes.subspan(i * record_bytes_, std::min(record_bytes_, bytes.size() - i * record_bytes_));
      append_request(slot.packet, address_.address_size, 0, {}, address + i * record_bytes_,
                     slot.answer.size() / 4, slot.tag);
    });
  }

  /// Answered with the register ID, which reads the same whatever the device does.
  void write_together(std::uint64_t address, std::span<const std::byte> bytes) override {
    for (const Written& before : written_) await(before.sent);
    written_.clear();
    await(std::max(registers_sent_, exchanged_));
    const std::uint64_t registers = address_.bare ? address_.bare->registers : service::kRegisters;
    ask(1, [&](std::size_t, Slot& slot) {
      slot.sent = &registers_sent_;
      slot.answer = slot.ignored;
      append_request(slot.packet, address_.address_size, address, bytes, registers + registers::kId, 1,
                     slot.tag);
    });
  }

  void exchange(std::uint64_t write_address, std::span<const std::byte> written, std::uint64_t read_address,
                std::span<std::byte> bytes) override {
    ask(1, [&](std::size_t, Slot& slot) {
      slot.patient = true;
      slot.sent = &exchanged_;
      slot.answer = bytes;
      append_request(slot.packet, address_.address_size, write_address, written, read_address,
                     bytes.size() / 4, slot.tag);
    });
  }

  bool settle() override {
    await(registers_sent_);
    return true;
  }

  void serve(std::size_t record_words) override {
    served_ = true;
    limit_record(record_words);
  }

  /// All writes were answered, and datagrams have checksums: what is left is whether they were refused.
  void confirm() override {
    if (!served_) return;
    std::array<std::byte, 4> count{};
    read(service::kServicePage + service::kRefusals, count);
    if (count == std::exchange(refusals_, count)) return;
    std::array<std::byte, service::kRefusalTextBytes> text{};
    read(service::kServicePage + service::kRefusalText, text);
    throw DeviceError(fmt::format("{} refused an access: {}", name_, printable_text(text)));
  }

  /// The same socket goes on, so that the server takes us for the client that we were.
  void reconnect() override {
    std::this_thread::sleep_for(lifetime());
    written_.clear();
    refusals_ = {};
    while (receive() > 0) {
    }
  }

  const std::string& name() const override { return name_; }

 private:
  /// A request under way.
  struct Slot {
    std::uint32_t tag = 0;
    std::vector<std::byte> packet;
    std::span<std::byte> answer;         ///< where its words go
    std::array<std::byte, 4> ignored{};  ///< the word whose reading tells that the writes are done
    Clock::time_point* sent = nullptr;   ///< of what it writes: when a copy was last sent
    bool patient = false;                ///< its answer may be held back
    Clock::time_point first;             ///< time that it was sent first
    Clock::time_point again;             ///< when it is sent again
    Clock::duration pause{};             ///< between two copies
    int copies = 0;                      ///< sent; 0: the slot is free
  };
  /// Bytes of memory of which copies may be under way.
  struct Written {
    std::uint64_t begin;
    std::uint64_t end;
    Clock::time_point sent;
  };

  static Clock::duration ticks(DeviceAddress::Seconds seconds) {
    return std::chrono::duration_cast<Clock::duration>(seconds);
  }
  static Clock::time_point after(DeviceAddress::Seconds seconds) { return Clock::now() + ticks(seconds); }
  [[nodiscard]] Clock::duration lifetime() const { return ticks(address_.lifetime); }

  /// Until no copy of what was last sent then can arrive any more.
  void await(Clock::time_point sent) const { std::this_thread::sleep_until(sent + lifetime()); }

  void limit_record(std::size_t words) {
    words = std::min<std::size_t>(
        words, address_.address_size == AddressSize::bits64 ? kWideRecord : kLargestRecord);
    if (address_.burst) {
      const auto burst = static_cast<std::size_t>(*address_.burst);
      words = served_ ? std::min(words, burst) : burst;
    }
    record_bytes_ = 4 * words;
  }

  /// Has `count` requests answered, a window of them at a time. `fill` says what the i-th one is.
  template <class Fill>
  void ask(std::size_t count, const Fill& fill) {
    std::size_t next = 0;
    open_ = 0;
    while (next < count || open_ > 0) {
      for (Slot& slot : slots_) {
        if (next == count) break;
        if (slot.copies > 0) continue;
        slot.tag = tag_++;
        slot.packet.clear();
        slot.sent = nullptr;
        slot.patient = false;
        fill(next++, slot);
        slot.first = Clock::now();
        slot.pause =
            slot.patient ? std::max<Clock::duration>(round_trip_.limit(), kPatience) : round_trip_.limit();
        ++open_;
        send(slot);
      }
      await_datagram();
      while (receive() > 0) {
      }
      send_again();
    }
  }

  void send(Slot& slot) {
    const Clock::time_point now = Clock::now();
    if (slot.sent) *slot.sent = now;
    slot.again = now + slot.pause;
    slot.pause = std::min<Clock::duration>(2 * slot.pause, kLongestPause);
    ++slot.copies;
    socket_.send(asio::buffer(slot.packet.data(), slot.packet.size()), 0,
                 error_);  // a failure is a lost datagram
  }

  void send_again() {
    const Clock::time_point now = Clock::now();
    const auto limit = understood_ ? address_.timeout : address_.connect_timeout;
    for (Slot& slot : slots_) {
      if (slot.copies == 0 || now < slot.again) continue;
      if (now - slot.first >= ticks(limit)) lose(limit, slot.copies);
      send(slot);
    }
  }

  [[noreturn]] void lose(DeviceAddress::Seconds limit, int copies) {
    for (Slot& slot : slots_) slot.copies = 0;
    if (!understood_ && !strange_.empty()) {
      throw DeviceError(
          fmt::format("{}: something else than a Bitloop or Etherbone server answers there: {}; is the "
                      "port right?",
                      name_, printable(strange_)));
    }
    throw DeviceLost(
        fmt::format("{} did not answer a request, of which {} copies were sent, within {:g} s{}; is it on, "
                    "used by another client, or is a longer time needed ({}=SECONDS)?",
                    name_, copies, limit.count(), error_ ? " (" + error_.message() + ")" : "",
                    understood_ ? "timeout" : "connect"));
  }

  /// Until one comes or a request is to be sent again.
  void await_datagram() {
    Clock::time_point until = Clock::time_point::max();
    for (const Slot& slot : slots_) {
      if (slot.copies > 0) until = std::min(until, slot.again);
    }
    pollfd descriptor{socket_.native_handle(), POLLIN, 0};
    for (const auto end = std::min(until, Clock::now() + kAlertness); Clock::now() < end;) {
      if (::poll(&descriptor, 1, 0) != 0) return;
      std::this_thread::yield();
    }
    const auto left = std::max<std::chrono::nanoseconds>(until - Clock::now(), std::chrono::nanoseconds(0));
    const timespec time{static_cast<std::time_t>(left.count() / 1'000'000'000),
                        static_cast<long>(left.count() % 1'000'000'000)};
    ::ppoll(&descriptor, 1, &time, nullptr);
  }

  /// Takes a datagram, if there is one; returns its bytes.
  std::size_t receive() {
    boost::system::error_code error;
    const std::size_t bytes = socket_.receive(asio::buffer(datagram_), 0, error);
    if (error) {
      if (error != asio::error::would_block) error_ = error;
      return 0;
    }
    const auto datagram = std::span(datagram_).first(bytes);
    const Framed framed = parse_packet(datagram, address_.address_size);
    if (framed.state != Framed::State::whole || framed.packet.probe || framed.packet.probe_reply) {
      strange_.assign(datagram.begin(), datagram.end());
      return bytes;
    }
    take(framed.packet);
    return bytes;
  }

  void take(const Packet& reply) {
    for (Slot& slot : slots_) {
      if (slot.copies == 0 || reply.write_address != slot.tag) continue;
      if (reply.written.size() != slot.answer.size() || reply.reads() != 0) return;
      copy_words(slot.answer, reply.written);
      // Of a request that was sent twice it is not known which copy is answered.
      if (slot.copies == 1 && !slot.patient) round_trip_.add(Clock::now() - slot.first);
      slot.copies = 0;
      --open_;
      understood_ = true;
      error_ = {};
      return;
    }
  }

  DeviceAddress address_;
  std::string name_;
  asio::io_context context_{1};
  udp::socket socket_;
  std::vector<Slot> slots_;
  std::size_t open_ = 0;  ///< slots in use
  std::uint32_t tag_;     ///< of the next request
  std::size_t record_bytes_ = 0;
  RoundTrip round_trip_;
  std::vector<Written> written_;
  Clock::time_point registers_sent_;
  Clock::time_point exchanged_;
  bool served_ = false;                  ///< there is a service page
  bool understood_ = false;              ///< the other end has answered in Etherbone
  std::array<std::byte, 4> refusals_{};  ///< that were told
  std::array<std::byte, 4096> datagram_{};
  std::vector<std::byte> strange_;   ///< the last datagram that was not Etherbone
  boost::system::error_code error_;  ///< the last one, since an answer came
};

}  // namespace

std::unique_ptr<Bus> connect_udp(const DeviceAddress& address) { return std::make_unique<UdpBus>(address); }

}  // namespace bitloop::host::etherbone
