// Jobs by UDP on a simulated board over a network that loses 5 % of the datagrams each way, repeats and
// reorders them: none is lost, and none gives another byte or counter than in this process.
//   BITLOOP_LOSSY_JOBS=10000 sim_tests --gtest_filter='LossyNetwork*'   more jobs than the usual 300
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "host/compiler.h"
#include "host/devices/address.h"
#include "host/driver.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/server.h"
#include "sim/sim_device.h"
#include "tests/host/etherbone/udp_proxy.h"
#include "tests/host/random_cases.h"

namespace bitloop::sim {
namespace {

struct Case {
  std::shared_ptr<const host::Job> job;
  std::vector<std::uint8_t> image;
  host::Measurement measurement;
  host::CodeTensor result;
};

std::vector<Case> cases(host::Device& device) {
  std::vector<Case> made;
  std::mt19937_64 random{1};
  for (const char* layer :
       {"conv in=32x6x6 out=16 kernel=3 stride=1 pad=1", "dwconv in=32x8x8 kernel=3 stride=2 pad=1",
        "conv in=16x9x7 out=40 kernel=1 stride=1 pad=0", "linear in=200 out=30"}) {
    for (const int bits : {1, 2, 4, 8}) {
      const host::Network network = host::single_layer_network(layer);
      Case one;
      one.job = std::make_shared<const host::Job>(host::compile(
          host::random_quantization(network, host::uniform_policy(network, bits, bits), random()),
          device.info()));
      one.image = host::test::random_input(one.job->image_shape,
                                           one.job->input_bits == 0 ? 8 : one.job->input_bits, random);
      host::Driver driver(device);
      driver.load(one.job);
      one.measurement = driver.run(one.image);
      one.result = driver.read_tensor(one.job->tensors.back());
      made.push_back(std::move(one));
    }
  }
  return made;
}

TEST(LossyNetwork, loses_no_job_and_changes_no_byte) {
  const char* text = std::getenv("BITLOOP_LOSSY_JOBS");
  const int jobs = text == nullptr ? 300 : std::max(1, std::atoi(text));
  MemoryModel memory;
  memory.bytes = 1 << 20;
  const auto board = make_sim_device("tiny", memory);
  const std::vector<Case> expected = cases(*board);
  host::etherbone::ServerOptions options;
  options.listen = host::etherbone::parse_listen("udp://127.0.0.1:0");
  host::etherbone::Server server(*board, options);
  std::jthread serving([&] { server.run(); });
  {
    host::test::UdpProxy network(
        server.port(),
        {.loss = 0.05, .repeated = 0.03, .delayed = 0.2, .longest = std::chrono::microseconds(2000)}, 1);
    // No copy arrives later than `lifetime`; `timeout` is long, because of other work on this machine.
    const auto device = host::etherbone::open_remote_device(
        host::parse_device(fmt::format("udp://127.0.0.1:{}?lifetime=0.003&timeout=20", network.port())));
    host::Driver driver(*device);
    for (int i = 0; i < jobs; ++i) {
      const Case& one = expected[static_cast<std::size_t>(i) * 7 % expected.size()];
      driver.load(one.job);
      const host::Measurement measurement = driver.run(one.image);
      ASSERT_EQ(measurement.total, one.measurement.total) << "job " << i;
      ASSERT_EQ(measurement.segments, one.measurement.segments) << "job " << i;
      ASSERT_EQ(driver.read_tensor(one.job->tensors.back()), one.result) << "job " << i;
    }
    fmt::print("{} jobs, {} datagrams lost, repeated or delayed\n", jobs, network.faults());
    EXPECT_GT(network.faults(), jobs);
  }
  server.stop();
}

}  // namespace
}  // namespace bitloop::sim
