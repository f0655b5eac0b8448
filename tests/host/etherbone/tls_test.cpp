#include "host/etherbone/tls.h"

#if BITLOOP_TLS

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "host/etherbone/remote_device.h"
#include "tests/host/etherbone/certificates.h"
#include "tests/host/etherbone/fake_server.h"
#include "tests/host/etherbone/running_server.h"
#include "tests/host/etherbone/tcp_proxy.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TlsTest : public testing::Test {
 protected:
  std::unique_ptr<Device> open(const TlsFiles& files, std::uint16_t port) {
    return etherbone::open_remote_device(
        parse_device(fmt::format("tcp+tls://127.0.0.1:{}?ca={}&cert={}&key={}&wait=2", port,
                                 files.authority.string(), files.certificate.string(), files.key.string())));
  }
  std::string refusal(const TlsFiles& files, std::uint16_t port) {
    try {
      open(files, port);
    } catch (const DeviceLost& error) {
      ADD_FAILURE() << error.what();
    } catch (const DeviceError& error) {
      return error.what();
    }
    return "accepted";
  }
  std::unique_ptr<RunningServer> serve(const TlsFiles& files) {
    return std::make_unique<RunningServer>(device_, Scheme::tcp_tls,
                                           [&](auto& options) { options.tls = files; });
  }

  Emulator device_{HardwareInfo{}, EmulatorOptions{Interleaving::program_order, Address{4} << 20}};
  Authority authority_{"ours"};
  TlsFiles server_files_ = authority_.issue("server", "IP:127.0.0.1");
  TlsFiles client_files_ = authority_.issue("client", "");
};

TEST_F(TlsTest, jobs_run_over_it_as_they_do_here) {
  const auto server = serve(server_files_);
  const auto remote = open(client_files_, server->port());
  const Network zoo = zoo_network("lenet");
  const QuantizedNetwork network = random_quantization(zoo, uniform_policy(zoo, 2, 2), 1);
  const Job job = compile(network, HardwareInfo{});
  Driver driver(*remote);
  driver.load(job);
  std::mt19937_64 random(1);
  const auto image = random_input({1, 28, 28}, 8, random);
  driver.run(image);
  EXPECT_EQ(driver.read_tensor(job.tensors.back()), golden_run(network, image).written.back());
  std::vector<std::byte> bytes(std::size_t{3} << 20, std::byte{0x5a});
  std::vector<std::byte> back(bytes.size());
  remote->write_memory(0, bytes);
  remote->read_memory(0, back);
  EXPECT_EQ(back, bytes);
  remote->confirm();
}

TEST_F(TlsTest, both_ends_must_have_certificates_of_the_authority) {
  Authority stranger("another");
  const TlsFiles foreign = stranger.issue("client", "IP:127.0.0.1");
  const auto server = serve(server_files_);
  // We do not know who signed for the server.
  EXPECT_THAT(refusal({foreign.authority, client_files_.certificate, client_files_.key}, server->port()),
              AllOf(HasSubstr("TLS failed"), HasSubstr("127.0.0.1")));
  // The server does not know who signed for us.
  EXPECT_THAT(refusal({client_files_.authority, foreign.certificate, foreign.key}, server->port()),
              AllOf(HasSubstr("TLS failed"), HasSubstr("cert=")));
  EXPECT_NE(open(client_files_, server->port()), nullptr);
}

TEST_F(TlsTest, a_certificate_of_another_host_is_refused) {
  const auto server = serve(authority_.issue("elsewhere", "IP:127.0.0.2,DNS:localhost"));
  EXPECT_THAT(refusal(client_files_, server->port()), HasSubstr("certificate is not for 127.0.0.1"));
}

TEST_F(TlsTest, a_server_without_tls_is_told) {
  const RunningServer server(device_);
  EXPECT_THAT(refusal(client_files_, server.port()), HasSubstr("does not speak TLS; use tcp://"));
}

TEST_F(TlsTest, a_server_that_wants_tls_is_told) {
  const auto server = serve(server_files_);
  const auto plain = parse_device(fmt::format("tcp://127.0.0.1:{}?connect=0.3", server->port()));
  EXPECT_THAT([&] { etherbone::open_remote_device(plain); },
              testing::ThrowsMessage<DeviceError>(HasSubstr("does the server want TLS (tcp+tls://)?")));
}

TEST_F(TlsTest, an_alert_of_a_server_that_wants_tls_is_understood) {
  const FakeServer server([](const Socket& client, const auto&) {
    client.send(std::as_bytes(std::span("\x15\x03\x03\x00\x02\x02\x46", 7)));
  });
  const auto plain = parse_device(fmt::format("tcp://127.0.0.1:{}", server.port()));
  EXPECT_THAT([&] { etherbone::open_remote_device(plain); },
              testing::ThrowsMessage<DeviceError>(HasSubstr("speaks TLS; use tcp+tls://")));
}

TEST_F(TlsTest, what_is_altered_on_the_way_ends_the_connection) {
  const auto server = serve(server_files_);
  std::atomic<bool> armed = false;
  TcpProxy proxy(server->port(), [&](TcpProxy::Way way, std::vector<std::byte>& bytes) {
    if (way == TcpProxy::Way::to_server && armed.exchange(false)) bytes.back() ^= std::byte{1};
    return true;
  });
  const auto remote = open(client_files_, proxy.port());
  armed = true;
  EXPECT_THROW(
      {
        (void)remote->read_register(0);
        remote->confirm();
      },
      DeviceLost);
  remote->reset();
  remote->confirm();
}

TEST_F(TlsTest, files_that_cannot_be_used_are_named) {
  const auto refuse = [&](const TlsFiles& files) -> std::string {
    try {
      etherbone::make_tls_context(files, false);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  TlsFiles files = client_files_;
  files.authority = "/nowhere/ca.pem";
  EXPECT_THAT(refuse(files),
              AllOf(HasSubstr("/nowhere/ca.pem cannot be read (No such file"), HasSubstr("ca=")));
  files = client_files_;
  files.certificate = client_files_.key;
  EXPECT_THAT(refuse(files), AllOf(HasSubstr("client.key"), HasSubstr("cert=")));
  files = client_files_;
  files.key = server_files_.key;
  EXPECT_THAT(refuse(files), HasSubstr("server.key"));
  EXPECT_THAT(refuse({}), HasSubstr("ca="));
}

}  // namespace
}  // namespace bitloop::host::test

#endif
