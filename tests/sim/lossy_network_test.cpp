// Jobs by UDP on a simulated board over a network that loses 5 % of the datagrams each way, repeats and
// reorders them: none is lost, and none gives another byte or counter than in this process.
//   BITLOOP_LOSSY_JOBS=10000 sim_tests --gtest_filter='LossyNetwork*'   more jobs than the usual 300
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "host/driver/address.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/server.h"
#include "sim/sim_device.h"
#include "tests/host/driver/job_case.h"
#include "tests/host/etherbone/udp_proxy.h"

namespace bitloop::sim {
namespace {

TEST(LossyNetwork, loses_no_job_and_changes_no_byte) {
  const char* text = std::getenv("BITLOOP_LOSSY_JOBS");
  const int jobs = text == nullptr ? 300 : std::max(1, std::atoi(text));
  MemoryModel memory;
  memory.bytes = 1 << 20;
  const auto board = make_sim_device("tiny", memory);
  const std::vector<host::test::JobCase> cases = host::test::make_job_cases(*board);
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
      const host::test::JobCase& one = cases[static_cast<std::size_t>(i) * 5 % cases.size()];
      ASSERT_EQ(one.run(driver), one.expected) << "job " << i;
    }
    fmt::print("{} jobs, {} datagrams lost, repeated or delayed\n", jobs, network.faults());
    EXPECT_GT(network.faults(), jobs);
  }
  server.stop();
}

}  // namespace
}  // namespace bitloop::sim
