#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/host/etherbone/sockets.h"

namespace bitloop::host::test {

/// A network between one UDP client and a server that loses, repeats and delays datagrams, so that others
/// overtake them. None arrives later than `longest` after it was sent, however busy this machine is: it is
/// lost then.
class UdpProxy {
 public:
  struct Faults {
    double loss = 0;
    double repeated = 0;
    double delayed = 0;
    std::chrono::microseconds longest{10000};
  };
  using Clock = std::chrono::system_clock;  // that the system stamps datagrams with

  UdpProxy(std::uint16_t server, const Faults& faults, std::uint64_t seed)
      : faults_(faults),
        random_(seed),
        client_side_(Socket::bound(SOCK_DGRAM)),
        server_side_(Socket::connected(SOCK_DGRAM, server)),
        thread_([this] { run(); }) {
    const int yes = 1;
    ::setsockopt(client_side_.handle(), SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
  }
  ~UdpProxy() {
    ends_ = true;
    thread_.join();
  }
  UdpProxy(const UdpProxy&) = delete;
  UdpProxy& operator=(const UdpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return client_side_.port(); }
  [[nodiscard]] int faults() const { return done_; }

 private:
  struct Datagram {
    bool to_server;
    Clock::time_point sent;
    std::vector<std::byte> bytes;
  };

  bool happens(double probability) {
    const bool does = std::bernoulli_distribution(probability)(random_);
    if (does) ++done_;
    return does;
  }

  void run() {
    while (!ends_) {
      pollfd descriptors[] = {{client_side_.handle(), POLLIN, 0}, {server_side_.handle(), POLLIN, 0}};
      ::poll(descriptors, 2, late_.empty() ? 5 : 1);
      take(client_side_, true);
      take(server_side_, false);
      while (!late_.empty() && late_.begin()->first <= Clock::now()) {
        pass(late_.begin()->second);
        late_.erase(late_.begin());
      }
    }
  }

  void take(const Socket& from, bool to_server) {
    while (true) {
      std::byte room[4096];
      sockaddr_in sender{};
      iovec where{room, sizeof room};
      alignas(cmsghdr) std::byte control[256];
      msghdr message{};
      message.msg_name = &sender;
      message.msg_namelen = sizeof sender;
      message.msg_iov = &where;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const std::ptrdiff_t count = ::recvmsg(from.handle(), &message, MSG_DONTWAIT);
      if (count < 0) return;
      if (to_server) client_ = sender;
      const Datagram datagram{to_server, sent_at(message), {room, room + count}};
      if (happens(faults_.loss)) continue;
      if (happens(faults_.repeated)) delay(datagram);
      if (happens(faults_.delayed)) {
        delay(datagram);
      } else {
        pass(datagram);
      }
    }
  }

  static Clock::time_point sent_at(msghdr& message) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
      if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SO_TIMESTAMPNS) continue;
      timespec time;
      std::memcpy(&time, CMSG_DATA(item), sizeof time);
      return Clock::time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
    }
    return Clock::now();
  }

  void delay(const Datagram& datagram) {
    std::uniform_int_distribution<std::int64_t> microseconds(0, faults_.longest.count());
    late_.emplace(datagram.sent + std::chrono::microseconds(microseconds(random_)), datagram);
  }

  void pass(const Datagram& datagram) {
    if (datagram.to_server) {
      if (Clock::now() > datagram.sent + faults_.longest) return;
      ::send(server_side_.handle(), datagram.bytes.data(), datagram.bytes.size(), MSG_NOSIGNAL);
    } else {
      ::sendto(client_side_.handle(), datagram.bytes.data(), datagram.bytes.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&client_), sizeof client_);
    }
  }

  Faults faults_;
  std::mt19937_64 random_;
  Socket client_side_;
  Socket server_side_;
  sockaddr_in client_{};
  std::multimap<Clock::time_point, Datagram> late_;
  std::atomic<int> done_ = 0;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

}  // namespace bitloop::host::test
