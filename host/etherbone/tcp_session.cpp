#include "host/etherbone/tcp_session.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <cstring>
#include <utility>

#include "host/etherbone/endpoint_name.h"

namespace bitloop::host::etherbone {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string connected_peer(const asio::ip::tcp::socket& socket) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  return error ? "(gone)" : endpoint_name(peer);
}

}  // namespace

static_assert(TcpSession::kWaitingInput >= kLargestPacket, "a whole packet must fit");

TcpSession::TcpSession(std::unique_ptr<Wire> wire, Events events)
    : wire_(std::move(wire)),
      events_(std::move(events)),
      name_(connected_peer(wire_->socket())),
      deadline_(wire_->socket().get_executor()),
      input_(kWaitingInput) {}

double TcpSession::seconds() const { return std::chrono::duration<double>(Clock::now() - since_).count(); }

/// `work` as what is called later: it keeps this alive, and is attempted.
template <class Work>
auto TcpSession::handler(Work work) {
  return [self = shared_from_this(), work = std::move(work)](const auto&... results) {
    self->attempt([&] { work(results...); });
  };
}

void TcpSession::limit_time() {
  deadline_.expires_after(kProof);
  deadline_.async_wait(handler([this](const error_code& error) {
    if (!error) end("took too long");
  }));
}

void TcpSession::start() {
  attempt([this] {
    limit_time();
    wire_->open(handler([this](const error_code& error, std::size_t) {
      if (closed_) return;
      deadline_.cancel();
      if (error) return end("did not prove who it is: " + error.message());
      events_.arrived(shared_from_this());
    }));
  });
}

void TcpSession::wait(std::string_view line) {
  tell(line);
  read_more();
}

void TcpSession::send_away(std::string_view line) {
  leaving_ = true;
  limit_time();
  tell(line);
}

void TcpSession::serve(Device& device, ServedDevice::Options options, std::string_view line) {
  since_ = Clock::now();
  served_.emplace(device, options);
  if (begin_ == end_) tell(line);
  asio::post(deadline_.get_executor(), handler([this] { go_on(); }));
}

void TcpSession::tell(std::string_view line) {
  const auto* bytes = reinterpret_cast<const std::byte*>(line.data());
  replies_.insert(replies_.end(), bytes, bytes + line.size());
  send();
}

void TcpSession::read_more() {
  if (reading_ || closed_) return;
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (served_ && input_.size() < kInput) input_.resize(kInput);
  if (end_ == input_.size()) return;  // the rest stays where it is until the client's turn
  reading_ = true;
  wire_->read_some(asio::buffer(input_.data() + end_, input_.size() - end_),
                   handler([this](const error_code& error, std::size_t bytes) {
                     reading_ = false;
                     if (error) return end(error == asio::error::eof ? "closed" : error.message());
                     end_ += bytes;
                     go_on();
                   }));
}

/// Deals with what has been received, unless too many replies wait for a client that does not read them.
void TcpSession::go_on() {
  if (closed_) return;
  if (!served_) return read_more();
  stalled_ = replies_.size() >= kBacklog;
  if (stalled_) return;
  const auto taken = served_->take(std::span(input_).subspan(begin_, end_ - begin_), replies_);
  begin_ += taken.bytes;
  send();
  if (taken.foreign != nullptr) return end(fmt::format("does not speak our Etherbone: {}", taken.foreign));
  if (!taken.paused) return read_more();
  asio::post(deadline_.get_executor(), handler([this] { go_on(); }));
}

void TcpSession::send() {
  if (!sending_.empty() || closed_) return;
  if (replies_.empty()) {
    if (leaving_) end("sent away");
    return;
  }
  std::swap(sending_, replies_);
  wire_->write(asio::buffer(sending_), handler([this](const error_code& error, std::size_t) {
                 sending_.clear();
                 sent(error);
               }));
}

void TcpSession::sent(const error_code& error) {
  if (closed_) return;
  if (error) return end(error.message());
  send();
  if (stalled_) go_on();
}

void TcpSession::end(std::string_view why) {
  if (closed_) return;
  close();
  events_.gone(shared_from_this(), why);
}

void TcpSession::close() {
  closed_ = true;
  deadline_.cancel();
  error_code ignored;
  wire_->socket().close(ignored);
}

}  // namespace bitloop::host::etherbone
