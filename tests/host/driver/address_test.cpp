#include "host/driver/address.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host/base/error.h"

namespace bitloop::host::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    (void)parse_device(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DeviceAddressTest, schemes_hosts_and_ports_are_read) {
  EXPECT_EQ(parse_device("sim").scheme, Scheme::sim);
  const DeviceAddress tcp = parse_device("tcp://127.0.0.1:99");
  EXPECT_EQ(tcp.scheme, Scheme::tcp);
  EXPECT_EQ(tcp.host, "127.0.0.1");
  EXPECT_EQ(tcp.port, 99);
  EXPECT_EQ(tcp.text, "tcp://127.0.0.1:99");
  EXPECT_FALSE(tcp.bare);
  const DeviceAddress udp = parse_device("udp://localhost");
  EXPECT_EQ(udp.scheme, Scheme::udp);
  EXPECT_EQ(udp.port, kDefaultPort);
  const DeviceAddress v6 = parse_device("tcp://[::1]:7?wait=1");
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, 7);
  const DeviceAddress uio = parse_device("uio:bitloop?buffer=udmabuf3&name=zed&clock=50e6");
  EXPECT_EQ(uio.scheme, Scheme::uio);
  EXPECT_EQ(uio.host, "bitloop");
  EXPECT_EQ(uio.buffer, "udmabuf3");
  EXPECT_EQ(uio.bare->name, "zed");
  EXPECT_EQ(uio.bare->clock_hz, 50e6);
}

TEST(DeviceAddressTest, deadlines_are_read) {
  const DeviceAddress address = parse_device("tcp://127.0.0.1?connect=1&timeout=0.5&job=60&wait=3");
  EXPECT_EQ(address.connect_timeout.count(), 1);
  EXPECT_EQ(address.timeout.count(), 0.5);
  EXPECT_EQ(address.job_deadline.count(), 60);
  EXPECT_EQ(address.wait.count(), 3);
  // Long enough for a server to learn that the client before has left.
  EXPECT_EQ(parse_device("tcp://127.0.0.1").wait.count(), 1);
}

TEST(DeviceAddressTest, boards_without_a_server_are_described) {
  const DeviceAddress address = parse_device(
      "udp://127.0.0.1?lifetime=0&window=3&burst=16&address=64&fingerprint=ABC&registers=0x90000000&"
      "memory=0x40000000&size=256M&base=0x1000&clock=125e6&name=my%20board%2C%20left");
  EXPECT_EQ(address.lifetime.count(), 0);
  EXPECT_EQ(address.window, 3);
  EXPECT_EQ(address.burst, 16);
  EXPECT_EQ(address.address_size, AddressSize::bits64);
  EXPECT_EQ(address.fingerprint, "abc");
  ASSERT_TRUE(address.bare);
  EXPECT_EQ(address.bare->registers, 0x9000'0000);
  EXPECT_EQ(address.bare->memory, 0x4000'0000);
  EXPECT_EQ(address.bare->memory_size, 256u << 20);
  EXPECT_EQ(address.bare->memory_base, 0x1000);
  EXPECT_EQ(address.bare->clock_hz, 125e6);
  EXPECT_EQ(address.bare->name, "my board, left");
  EXPECT_EQ(parse_device("tcp://127.0.0.1?registers=0&memory=4096&size=4096").bare->memory_base, 4096);
}

TEST(DeviceAddressTest, what_leaves_this_machine_is_encrypted_or_allowed) {
  EXPECT_THAT(refusal("tcp://board"), AllOf(HasSubstr("tcp+tls://"), HasSubstr("insecure")));
  EXPECT_THAT(refusal("udp://10.0.0.1"), HasSubstr("insecure"));
  EXPECT_THAT(refusal("tcp://127.evil.example"), HasSubstr("insecure"));
  EXPECT_THAT(refusal("tcp://[fe80::1]"), HasSubstr("insecure"));
  EXPECT_TRUE(parse_device("tcp://board?insecure=1").insecure);
  EXPECT_TRUE(parse_device("udp://board", true).insecure);
  EXPECT_EQ(parse_device("tcp+tls://board?ca=a.pem&cert=b.pem&key=c.pem").tls.key, "c.pem");
  EXPECT_THAT(refusal("tcp+tls://board?ca=a.pem&key=c.pem"), HasSubstr("cert="));
}

TEST(DeviceAddressTest, anything_else_is_refused_with_what_is_known) {
  EXPECT_THAT(refusal("usb:1"), AllOf(HasSubstr("usb:1"), HasSubstr("tcp://HOST")));
  EXPECT_THAT(refusal(""), HasSubstr("tcp://HOST"));
  EXPECT_THAT(refusal("sim?p=4"), HasSubstr("p="));
  for (const char* host : {"tcp://", "tcp://:1", "tcp://a b", "tcp://a/b", "tcp://user@host", "tcp://[::1",
                           "tcp://::1", "uio:", "uio:a/b"}) {
    EXPECT_NE(refusal(host), "accepted") << host;
  }
  for (const char* port :
       {"tcp://localhost:", "tcp://localhost:0", "tcp://localhost:65536", "tcp://localhost:1x"}) {
    EXPECT_THAT(refusal(port), HasSubstr("port")) << port;
  }
  EXPECT_THAT(refusal("tcp://localhost?speed=1"), AllOf(HasSubstr("speed="), HasSubstr("timeout")));
  EXPECT_THAT(refusal("tcp://localhost?window=1"), HasSubstr("window="));  // of UDP only
  EXPECT_THAT(refusal("udp://localhost?wait=1"), HasSubstr("wait="));      // of TCP only
  EXPECT_THAT(refusal("tcp://localhost?wait=1&wait=2"), HasSubstr("twice"));
  for (const char* option : {"wait",
                             "wait=",
                             "wait=-1",
                             "wait=x",
                             "wait=nan",
                             "wait=1e9",
                             "timeout=0",
                             "burst=0",
                             "burst=256",
                             "address=33",
                             "fingerprint=xyz",
                             "fingerprint=000000000000000000000000000000000",
                             "insecure=2",
                             "burst=%3",
                             "burst=%zz",
                             "burst=99999999999999999999",
                             "registers=0",
                             "memory=0",
                             "clock=0",
                             "clock=1e6",
                             "name=x",
                             "registers=0&memory=1&size=4096",
                             "registers=0&memory=0&size=0",
                             "registers=0&memory=0&size=4G",
                             "registers=2&memory=0&size=4096",
                             "registers=0&memory=0xfffff000&size=8192",
                             "csr=/nowhere/csr.csv"}) {
    EXPECT_NE(refusal(std::string("tcp://localhost?") + option), "accepted") << option;
  }
}

TEST(DeviceAddressTest, a_litex_build_describes_its_board) {
  const auto file = std::filesystem::temp_directory_path() / fmt::format("bitloop_csr_{}.csv", ::getpid());
  const auto parse = [&](const char* text) {
    std::ofstream(file) << text;
    return parse_device(fmt::format("udp://127.0.0.1?csr={}", file.string()));
  };
  const DeviceAddress address = parse(
      "#--------------------------------------------------------------------------------\r\n"
      "csr_base,ctrl,0xf0000000,,\r\n"
      "csr_register,ctrl_reset,0xf0000000,1,rw\n"
      "constant,config_clock_frequency,75000000,,\n"
      "memory_region,rom,0x00000000,131072,cached\n"
      "memory_region,main_ram,0x40000000,268435456,cached\n"
      "memory_region,bitloop,0x90000000,4096,io\n");
  ASSERT_TRUE(address.bare);
  EXPECT_EQ(address.bare->registers, 0x9000'0000);
  EXPECT_EQ(address.bare->memory, 0x4000'0000);
  EXPECT_EQ(address.bare->memory_base, 0x4000'0000);
  EXPECT_EQ(address.bare->memory_size, 256u << 20);
  EXPECT_EQ(address.bare->clock_hz, 75e6);
  EXPECT_THROW(parse("csr_base,bitloop,none,,\n"), InputError);
  EXPECT_THROW(parse("csr_base,bitloop,0x1000,,\n"), InputError);  // no memory
  std::filesystem::remove(file);
}

TEST(DeviceAddressTest, several_devices_are_split_at_commas) {
  EXPECT_EQ(split_devices("sim,tcp://a?name=x%2Cy"), (std::vector<std::string>{"sim", "tcp://a?name=x%2Cy"}));
  EXPECT_THROW(split_devices("sim,,sim"), InputError);
  EXPECT_THROW(split_devices(""), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
