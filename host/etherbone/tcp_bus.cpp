#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/etherbone/digest.h"
#include "host/etherbone/packet.h"
#include "host/etherbone/printable.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/resolve.h"
#include "host/etherbone/service.h"
#include "host/etherbone/tcp_connection.h"

namespace bitloop::host::etherbone {
namespace {

using Clock = TcpConnection::Clock;

/// Requests are put together in such pieces, which the processor's cache holds.
constexpr std::size_t kBatchBytes = 256 << 10;
/// Of replies that may be under way.
constexpr std::size_t kWindowBytes = 512 << 10;

Clock::time_point after(DeviceAddress::Seconds seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds);
}

std::uint32_t word_at(std::span<const std::byte> bytes, std::size_t index) {
  std::uint32_t word;
  std::memcpy(&word, &bytes[4 * index], 4);
  return word;
}

std::uint64_t double_word_at(std::span<const std::byte> bytes, std::size_t index) {
  return word_at(bytes, index) | static_cast<std::uint64_t>(word_at(bytes, index + 1)) << 32;
}

/// Etherbone over TCP or TLS. Writes are not answered, so they stream; reads are asked for ahead of their
/// answers, which come in order.
class TcpBus final : public Bus {
 public:
  explicit TcpBus(const DeviceAddress& address)
      : address_(address),
        name_(peer_name(address)),
        record_bytes_(4 * address.burst.value_or(kLargestRecord)) {
    connect(after(address.connect_timeout), address.wait);
  }

  void write(std::uint64_t address, std::span<const std::byte> bytes) override {
    guarded([&] {
      for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t count = std::min(record_bytes_, bytes.size() - at);
        append_request(requests_, address_.address_size, address + at, bytes.subspan(at, count), 0, 0, 0);
        at += count;
        if (requests_.size() >= kBatchBytes || at == bytes.size()) flush();
      }
    });
  }

  void read(std::uint64_t address, std::span<std::byte> bytes) override {
    guarded([&] { read_records(address, bytes, record_bytes_); });
  }

  void exchange(std::uint64_t write_address, std::span<const std::byte> written, std::uint64_t read_address,
                std::span<std::byte> bytes) override {
    guarded([&] {
      append_request(requests_, address_.address_size, write_address, written, read_address, bytes.size() / 4,
                     next_tag());
      start_sending();
      await_replies(bytes, bytes.size());
    });
  }

  void serve(std::size_t record_words) override {
    served_ = true;
    record_bytes_ = 4 * std::min<std::size_t>(record_words, address_.burst.value_or(kLargestRecord));
  }

  void confirm() override {
    guarded([&] {
      if (served_) {
        confirm_digests();
      } else if (address_.bare) {
        std::array<std::byte, 4> id{};
        read_records(address_.bare->registers + registers::kId, id, id.size());
      }
    });
  }

  void reconnect() override {
    connection_.reset();
    const auto until = after(address_.connect_timeout);
    // A server that is restarting refuses connections for a while, and one that has not seen the end of the
    // old connection yet says that it is busy.
    for (std::chrono::milliseconds pause{5};; pause *= 2) {
      try {
        return connect(until, std::max(address_.wait, address_.connect_timeout));
      } catch (const DeviceLost&) {
        if (Clock::now() + pause >= until) throw;
      }
      std::this_thread::sleep_for(pause);
    }
  }

  const std::string& name() const override { return name_; }

 private:
  /// After a failure what is under way is unknown: only a new connection helps.
  template <class Work>
  void guarded(const Work& work) {
    if (!connection_) throw DeviceLost(fmt::format("{}: there is no connection; reset the device", name_));
    try {
      work();
    } catch (const DeviceLost& error) {
      const bool silent = !understood_ && !connection_->heard() && address_.scheme == Scheme::tcp;
      connection_.reset();
      if (!silent) throw;
      throw DeviceLost(fmt::format("{}; does the server want TLS (tcp+tls://)?", error.what()));
    }
  }

  // --- Greeting

  void connect(Clock::time_point until, DeviceAddress::Seconds wait) {
    connection_ = open_tcp_connection(address_, until);
    requests_.clear();
    answered_ = asked_;
    sent_.restart();
    received_.restart();
    refusals_ = 0;
    try {
      greet(until, wait);
    } catch (...) {
      connection_.reset();
      throw;
    }
  }

  void greet(Clock::time_point until, DeviceAddress::Seconds wait) {
    const std::string_view start = service::kBannerStart;
    std::string owner;  // what the server says of who has the device
    for (;;) {
      const auto bytes = connection_->received();
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      const bool bitloop = text.substr(0, start.size()) == start.substr(0, text.size());
      const std::size_t end = bitloop ? text.find('\n') : text.size();
      if (!text.empty() &&
          (!bitloop || end != std::string_view::npos || text.size() > service::kBannerBytes)) {
        if (bitloop && end == std::string_view::npos) stranger(text);
        const std::string line(text.substr(0, end));
        connection_->consume(bitloop ? std::min(end + 1, text.size()) : text.size());
        if (line == "Bitloop 1 ready" || line.starts_with("Comm")) return;  // litex_server: "CommUDP:..."
        if (!line.starts_with("Bitloop 1 busy")) stranger(line);
        if (owner.empty()) {
          until = after(wait);
        } else if (Clock::now() >= until) {
          break;  // it would tell us for ever
        }
        owner = line.substr(std::string_view("Bitloop 1 ").size());
        continue;
      }
      try {
        if (!connection_->progress(until)) break;
      } catch (const DeviceLost&) {
        if (owner.empty()) throw;
        break;  // sent away: too many wait
      }
    }
    if (!owner.empty()) {
      throw DeviceError(
          fmt::format("{} is used by another client ({}); wait longer than {:g} s with wait=SECONDS", name_,
                      printable(owner), wait.count()));
    }
    if (!connection_->received().empty()) stranger(connection_->received());
    // Silent: a plain Etherbone server may be.
  }

  /// On a connection that worked once it is a fault on the way.
  [[noreturn]] void stranger(std::span<const std::byte> bytes) const {
    if (understood_)
      throw DeviceLost(fmt::format("{}: what came is not Etherbone: {}", name_, printable(bytes)));
    // A TLS record (RFC 8446, 5.1): an alert, or of a handshake.
    const bool tls = bytes.size() > 1 && (bytes[0] == std::byte{21} || bytes[0] == std::byte{22}) &&
                     bytes[1] == std::byte{3};
    if (tls) {
      throw DeviceError(fmt::format(
          "{}: the server there speaks TLS; use tcp+tls:// with ca=FILE, cert=FILE and key=FILE", name_));
    }
    throw DeviceError(
        fmt::format("{}: something else than a Bitloop or Etherbone server answers there: {}; is the "
                    "port right?",
                    name_, printable(bytes)));
  }
  [[noreturn]] void stranger(std::string_view text) const { stranger(std::as_bytes(std::span(text))); }

  // --- Sending

  /// `requests_` begin to go; they must stay until the connection has sent them.
  void start_sending() {
    sent_.add(requests_);
    connection_->send(requests_);
    restart_clock();
  }

  void flush() {
    start_sending();
    await_sent();
    if (!connection_->received().empty()) unasked();
  }

  void await_sent() {
    while (connection_->sending()) progress("take what is written");
    requests_.clear();
  }

  /// Of a record: that the other end has it, or answers it. Single bytes do not restart it, so that nobody
  /// who drips them keeps us.
  void restart_clock() {
    deadline_ = after(address_.timeout);
    unsent_ = connection_->unsent();
  }

  void progress(const char* what) {
    const bool moved = connection_->progress(deadline_);
    // Also what nothing here tells of: the system takes bytes again only once many have gone, and what is
    // asked for waits behind all that was written.
    if (connection_->unsent() + record_bytes_ <= unsent_) return restart_clock();
    if (moved) return;
    throw DeviceLost(
        fmt::format("{} did not {} within {:g} s; is the device stuck, or is a longer time needed "
                    "(timeout=SECONDS)?",
                    name_, what, address_.timeout.count()));
  }

  // --- Receiving

  std::uint32_t next_tag() { return asked_++; }

  void read_records(std::uint64_t address, std::span<std::byte> bytes, std::size_t record_bytes) {
    std::size_t asked = 0;
    std::size_t got = 0;
    while (got < bytes.size()) {
      if (!connection_->sending() && asked < bytes.size() && asked - got <= kWindowBytes / 2) {
        requests_.clear();
        while (asked < bytes.size() && asked - got < kWindowBytes) {
          const std::size_t count = std::min(record_bytes, bytes.size() - asked);
          append_request(requests_, address_.address_size, 0, {}, address + asked, count / 4, next_tag());
          asked += count;
        }
        start_sending();
      }
      progress("answer");
      got += take_replies(bytes.subspan(got, asked - got), record_bytes);
    }
    if (!connection_->received().empty()) unasked();
    await_sent();
  }

  void await_replies(std::span<std::byte> bytes, std::size_t record_bytes) {
    for (std::size_t got = 0; got < bytes.size();) {
      progress("answer");
      got += take_replies(bytes.subspan(got), record_bytes);
    }
    if (!connection_->received().empty()) unasked();
    await_sent();
  }

  /// Copies what came of the answers to requests for `bytes`; returns how many bytes.
  std::size_t take_replies(std::span<std::byte> bytes, std::size_t record_bytes) {
    const auto stream = connection_->received();
    std::size_t taken = 0;
    std::size_t got = 0;
    while (got < bytes.size()) {
      const Framed framed = parse_packet(stream.subspan(taken), address_.address_size);
      if (framed.state == Framed::State::incomplete) break;
      if (framed.state == Framed::State::foreign) stranger(stream.subspan(taken));
      const Packet& reply = framed.packet;
      const std::size_t count = std::min(record_bytes, bytes.size() - got);
      // litex_server answers everything under 0.
      const bool ours = reply.write_address == answered_ || (!served_ && reply.write_address == 0);
      if (!ours || reply.written.size() != count || reply.reads() != 0) {
        throw DeviceLost(fmt::format("{}: answer {} with {} words came in place of answer {} with {} words",
                                     name_, reply.write_address, reply.writes(), answered_, count / 4));
      }
      copy_words(bytes.subspan(got, count), reply.written);
      understood_ = true;
      ++answered_;
      got += count;
      taken += framed.bytes;
    }
    received_.add(stream.first(taken));
    connection_->consume(taken);
    if (got > 0) restart_clock();
    return got;
  }

  [[noreturn]] void unasked() const {
    throw DeviceLost(
        fmt::format("{} sent what was not asked for: {}", name_, printable(connection_->received())));
  }

  // --- Checking

  void confirm_digests() {
    namespace page = service;
    const std::uint64_t sent = sent_.value();
    const std::uint64_t received = received_.value();
    std::array<std::byte, 20> words{};  // in one record, whatever the burst limit, which is the device's
    static_assert(page::kSentDigest == page::kReceivedDigest + 8 &&
                  page::kRefusals == page::kReceivedDigest + 16);
    read_records(page::kServicePage + page::kReceivedDigest, words, words.size());
    if (double_word_at(words, 0) != sent || double_word_at(words, 2) != received) {
      throw DeviceLost(fmt::format("{}: bytes were altered on the way {} the device", name_,
                                   double_word_at(words, 0) != sent ? "to" : "from"));
    }
    const std::uint32_t refusals = word_at(words, 4);
    if (refusals == std::exchange(refusals_, refusals)) return;
    std::array<std::byte, page::kRefusalTextBytes> text{};
    read_records(page::kServicePage + page::kRefusalText, text, record_bytes_);
    throw DeviceError(fmt::format("{} refused an access: {}", name_, printable_text(text)));
  }

  DeviceAddress address_;
  std::string name_;
  std::size_t record_bytes_;
  bool served_ = false;      ///< there is a service page
  bool understood_ = false;  ///< the other end has answered in Etherbone
  std::vector<std::byte> requests_;
  std::uint32_t asked_ = 0;     ///< tag of the next request
  std::uint32_t answered_ = 0;  ///< tag of the next reply
  std::uint32_t refusals_ = 0;  ///< that were told
  Digest sent_;
  Digest received_;
  Clock::time_point deadline_;                 ///< of the record that is under way
  std::size_t unsent_ = 0;                     ///< bytes that were not taken when that was set
  std::unique_ptr<TcpConnection> connection_;  ///< last: it sends from the buffer above
};

}  // namespace

std::unique_ptr<Bus> connect_tcp(const DeviceAddress& address) { return std::make_unique<TcpBus>(address); }

}  // namespace bitloop::host::etherbone
