#include "tests/sim/faulty_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <stdexcept>
#include <vector>

namespace bitloop::sim::test {
namespace {

constexpr std::size_t kCrumbs = 200;  // bytes that pass one by one

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void set_prompt(int socket) {
  const int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

bool send_all(int socket, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

struct FaultyWire::Pair {
  int client = -1;
  int server = -1;
  bool stalled = false;
  std::size_t crumbs = 0;  // bytes left of a connection that crumbles; 0: it does not

  Pair(int c, int s) : client(c), server(s) {}
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    close(client);
    close(server);
  }
};

FaultyWire::FaultyWire() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

FaultyWire::~FaultyWire() {
  ending_ = true;
  thread_.join();
  close(listener_);
}

void FaultyWire::arm(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  passed_[0] = passed_[1] = 0;
  struck_ = false;
}

void FaultyWire::run() {
  std::list<Pair> pairs;
  while (!ending_) {
    std::vector<pollfd> polled{{listener_, POLLIN, 0}};
    std::vector<Pair*> owners;
    for (Pair& pair : pairs) {
      // Of a stalled connection only its end is passed on.
      const short events = pair.stalled ? POLLRDHUP : POLLIN;
      polled.push_back({pair.client, events, 0});
      polled.push_back({pair.server, events, 0});
      owners.push_back(&pair);
    }
    if (poll(polled.data(), polled.size(), 5) <= 0) continue;
    std::vector<Pair*> ended;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const bool from_client = polled[1 + 2 * i].revents != 0;
      const bool from_server = polled[2 + 2 * i].revents != 0;
      const bool goes_on =
          (!from_client || relay(*owners[i], true)) && (!from_server || relay(*owners[i], false));
      if (!goes_on) ended.push_back(owners[i]);
    }
    for (const Pair* pair : ended) pairs.remove_if([&](const Pair& p) { return &p == pair; });
    if ((polled[0].revents & POLLIN) == 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(upstream_);
    if (upstream_ == 0 || connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      close(client);
      close(server);
      continue;
    }
    set_prompt(client);
    set_prompt(server);
    pairs.emplace_back(client, server);
  }
}

/// False where the connection is over.
bool FaultyWire::relay(Pair& pair, bool to_server) {
  if (pair.stalled) return false;
  std::string bytes(pair.crumbs > 0 ? 1 : 65'536, '\0');
  const ssize_t n = recv(to_server ? pair.client : pair.server, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) return false;
  bytes.resize(static_cast<std::size_t>(n));
  bool goes_on = strike(pair, to_server, bytes);
  if (pair.crumbs > 0 && --pair.crumbs == 0) goes_on = false;
  passed_[to_server ? 1 : 0] += bytes.size();
  return send_all(to_server ? pair.server : pair.client, bytes) && goes_on;
}

/// Changes `bytes` as the fault says; false where the connection ends with them.
bool FaultyWire::strike(Pair& pair, bool to_server, std::string& bytes) {
  Fault fault;
  std::size_t at = 0;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t before = passed_[to_server ? 1 : 0];
    if (struck_ || fault_.kind == Fault::Kind::none || fault_.to_server != to_server ||
        fault_.at >= before + bytes.size()) {
      return true;
    }
    at = fault_.at < before ? 0 : fault_.at - before;
    fault = fault_;
    struck_ = true;
  }
  switch (fault.kind) {
    case Fault::Kind::none:
      return true;
    case Fault::Kind::cut:
      bytes.resize(at);
      return false;
    case Fault::Kind::stall:
      bytes.resize(at);
      pair.stalled = true;
      return true;
    case Fault::Kind::flip:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << fault.bit % 8));
      return true;
    case Fault::Kind::drop:
      bytes.erase(at, 1);
      return true;
    case Fault::Kind::crumb:
      pair.crumbs = kCrumbs;
      return true;
    case Fault::Kind::act:
      fault.action();
      return true;
  }
  return true;
}

}  // namespace bitloop::sim::test
