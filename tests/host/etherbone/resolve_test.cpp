#include "host/etherbone/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "host/base/error.h"

namespace bitloop::host::etherbone {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Addresses = std::vector<boost::asio::ip::address>;

DeviceAddress device(const std::string& host) {
  return parse_device("tcp://" + host + ":1234?insecure=1&connect=0.1");
}

steady_clock::time_point soon() { return steady_clock::now() + milliseconds(100); }

TEST(ResolveHost, numbers_need_no_lookup) {
  const auto never = [](const std::string&) -> Addresses { throw std::logic_error("looked up"); };
  for (const char* host : {"127.0.0.1", "[::1]"}) {
    EXPECT_EQ(resolve_host(device(host), soon(), never).size(), 1) << host;
  }
}

TEST(ResolveHost, names_are_looked_up) {
  const auto found = resolve_host(device("localhost"), steady_clock::now() + std::chrono::seconds(10));
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(found.front().is_loopback());
}

TEST(ResolveHost, a_name_that_nobody_has_is_told) {
  const auto start = steady_clock::now();
  EXPECT_THAT([] { resolve_host(device("name.invalid"), soon()); },
              ThrowsMessage<DeviceLost>(HasSubstr("tcp://name.invalid:1234: host name.invalid")));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(ResolveHost, a_lookup_that_hangs_is_left_to_itself) {
  std::promise<void> answer;
  const auto ended = std::make_shared<std::promise<std::string>>();
  const auto hangs = [answered = answer.get_future().share(), ended](const std::string& host) {
    answered.wait();
    ended->set_value(host);
    return Addresses{};
  };
  const auto start = steady_clock::now();
  EXPECT_THAT([&] { resolve_host(device("board"), soon(), hangs); },
              ThrowsMessage<DeviceLost>(
                  AllOf(HasSubstr("host board was not found within 0.1 s"), HasSubstr("connect="))));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
  // What it was asked is its own.
  answer.set_value();
  EXPECT_EQ(ended->get_future().get(), "board");
}

}  // namespace
}  // namespace bitloop::host::etherbone
