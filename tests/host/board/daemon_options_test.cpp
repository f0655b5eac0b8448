#include "host/board/daemon_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "host/base/error.h"

namespace bitloop::host::board::test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

DaemonOptions parse(std::vector<const char*> arguments) { return parse_daemon_options(arguments); }

void expect_refused(std::vector<const char*> arguments, const std::string& text) {
  EXPECT_THAT([&] { parse(arguments); }, ThrowsMessage<InputError>(HasSubstr(text)));
}

TEST(DaemonOptionsTest, without_any_it_serves_this_machine_only) {
  const DaemonOptions options = parse({});
  EXPECT_EQ(options.uio, "bitloop");
  EXPECT_EQ(options.buffer, "udmabuf0");
  EXPECT_FALSE(options.name);
  EXPECT_EQ(options.server.listen.host, "127.0.0.1");
  EXPECT_FALSE(options.server.insecure);
}

TEST(DaemonOptionsTest, values_follow_as_a_word_or_behind_an_equals_sign) {
  const DaemonOptions options = parse({"--device", "uio:uio2", "--buffer=udmabuf1", "--clock", "125e6",
                                       "--name=zedboard", "--listen", "127.0.0.1:77"});
  EXPECT_EQ(options.uio, "uio2");
  EXPECT_EQ(options.buffer, "udmabuf1");
  EXPECT_EQ(options.clock_hz, 125e6);
  EXPECT_EQ(options.name, "zedboard");
  EXPECT_EQ(options.server.listen.port, 77);
  EXPECT_EQ(options.server.listen.scheme, Scheme::tcp);
}

TEST(DaemonOptionsTest, certificates_mean_tls) {
  const DaemonOptions options =
      parse({"--listen=0.0.0.0:1234", "--ca", "ca.pem", "--cert", "board.pem", "--key", "board.key"});
  EXPECT_EQ(options.server.listen.scheme, Scheme::tcp_tls);
  EXPECT_EQ(options.server.tls.authority, "ca.pem");
  EXPECT_EQ(options.server.tls.key, "board.key");
  expect_refused({"--ca", "ca.pem"}, "--ca, --cert and --key together");
  expect_refused({"--listen=tcp+tls://0.0.0.0:1234"}, "--ca, --cert and --key together");
  expect_refused({"--listen=udp://127.0.0.1:1234", "--ca=a", "--cert=b", "--key=c"}, "udp");
}

TEST(DaemonOptionsTest, help_wins_over_all_that_follows) {
  EXPECT_TRUE(parse({"--help", "--nonsense"}).help);
  EXPECT_TRUE(parse({"--insecure", "-h"}).help);
}

TEST(DaemonOptionsTest, what_it_does_not_know_is_named) {
  expect_refused({"--colour", "red"}, "--colour");
  expect_refused({"board"}, "board");
  expect_refused({"--name"}, "--name needs a value");
  expect_refused({"--device", "tcp://127.0.0.1"}, "uio:NAME");
  expect_refused({"--device", "uio:"}, "uio:NAME");
  for (const char* clock : {"fast", "", "0", "-1", "1e99", "nan", "100e6Hz"}) {
    expect_refused({"--clock", clock}, "--clock");
  }
}

TEST(DaemonOptionsTest, help_lists_every_option) {
  for (const char* option : {"--device", "--buffer", "--clock", "--name", "--listen", "--ca", "--cert",
                             "--key", "--insecure", "--help"}) {
    EXPECT_THAT(kDaemonHelp, HasSubstr(option));
  }
}

}  // namespace
}  // namespace bitloop::host::board::test
