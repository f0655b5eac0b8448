#include "host/etherbone/udp_listener.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <exception>
#include <utility>

#include "host/etherbone/endpoint_name.h"

namespace bitloop::host::etherbone {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Room for the windows of several clients (the system may grant less).
constexpr int kReceiveBuffer = 4 * 1024 * 1024;

/// Whether a datagram is the packet that it begins with, with all its records.
bool is_one_packet(std::span<const std::byte> datagram, const Framed& first) {
  std::size_t end = first.bytes;
  while (end < datagram.size()) {
    const Framed more = parse_record(datagram.subspan(end), first.packet.size);
    if (more.state != Framed::State::whole) return false;
    end += more.bytes;
  }
  return end == datagram.size();
}

}  // namespace

UdpListener::UdpListener(asio::io_context& context, const asio::ip::address& address, Device& device,
                         const ServerOptions& options, EventLog& log)
    : device_(device),
      options_(options),
      log_(log),
      socket_(context, Endpoint(address, options.listen.port)),
      watch_(context) {
  error_code ignored;
  socket_.set_option(asio::socket_base::receive_buffer_size(kReceiveBuffer), ignored);
  socket_.non_blocking(true);
  receive();
  watch();
}

void UdpListener::receive() {
  socket_.async_wait(asio::ip::udp::socket::wait_read, [this](const error_code& error) {
    if (!socket_.is_open()) return;
    try {
      if (!error) take_datagrams();
    } catch (const std::exception& e) {  // no memory: a lost datagram
      log_.line("{}", e.what());
    }
    receive();
  });
}

void UdpListener::take_datagrams() {
  for (int i = 0; i < kDatagrams; ++i) {
    error_code error;
    const std::size_t bytes = socket_.receive_from(asio::buffer(datagram_), from_, 0, error);
    if (error == asio::error::would_block) return;
    // A datagram that is too long, or an earlier reply that was not taken, says nothing about the next one.
    if (!error) take(std::span(datagram_).first(bytes));
  }
}

void UdpListener::take(std::span<const std::byte> datagram) {
  const Framed framed = parse_packet(datagram);
  reply_.clear();
  if (framed.state == Framed::State::whole && framed.packet.probe) {
    append_probe(reply_, framed.packet.size, true);
    return reply();
  }
  if (framed.state != Framed::State::whole || !is_one_packet(datagram, framed) || framed.packet.probe_reply) {
    log_.line("{}: a datagram that is no packet of our Etherbone", endpoint_name(from_));
    return;
  }
  if (!admit()) return;
  heard_ = Clock::now();
  // Record by record, each answered by a datagram of its own; the first one has the header before it.
  for (std::size_t begin = 0, bytes = framed.bytes; bytes > 0;) {
    served_->take(datagram.subspan(begin, bytes), reply_);
    reply();
    reply_.clear();
    begin += bytes;
    bytes = parse_record(datagram.subspan(begin), framed.packet.size).bytes;
  }
  if (served_->released()) free_device("has done");
}

/// Whether the sender has the device, or gets it now.
bool UdpListener::admit() {
  if (served_) {
    if (from_ == owner_) return true;
    log_.line("{} was refused: {} has the device", endpoint_name(from_), endpoint_name(owner_));
    return false;
  }
  if (from_ == owner_ && Clock::now() - freed_ < kAfterglow) return false;
  owner_ = from_;
  served_.emplace(device_, ServedDevice::Options{.bare = options_.bare, .datagrams = true});
  log_.line("{} has the device", endpoint_name(owner_));
  return true;
}

void UdpListener::reply() {
  if (reply_.empty()) return;
  error_code ignored;  // a reply that is lost is asked for again
  socket_.send_to(asio::buffer(reply_), from_, 0, ignored);
}

/// Frees the device when its client has said nothing for too long.
void UdpListener::watch() {
  const std::chrono::duration<double> idle(options_.idle_seconds);
  watch_.expires_after(std::chrono::duration_cast<Clock::duration>(std::min(idle / 4, decltype(idle){1})));
  watch_.async_wait([this, idle](const error_code& error) {
    if (error) return;
    watch();
    if (served_ && Clock::now() - heard_ > idle) {
      free_device(fmt::format("said nothing for {:.0f} s", options_.idle_seconds));
    }
  });
}

void UdpListener::free_device(const std::string& why) {
  log_.line("{} went: {}{}", endpoint_name(owner_), why,
            served_->refusals() == 0 ? ""
                                     : fmt::format("; {} accesses were refused, the last: {}",
                                                   served_->refusals(), served_->refusal()));
  served_.reset();
  freed_ = Clock::now();
  try {
    device_.reset();
  } catch (const std::exception& e) {
    log_.line("the device could not be reset: {}", e.what());
  }
}

void UdpListener::close() {
  error_code ignored;
  socket_.close(ignored);
  watch_.cancel();
  if (served_) free_device("the server ends");
}

}  // namespace bitloop::host::etherbone
