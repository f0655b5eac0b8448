// Jobs that never end, and jobs that only take long, on the real RTL.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "sim/sim_device.h"

namespace bitloop::sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kLayer = "conv in=32x6x6 out=8 kernel=3 stride=1 pad=1";

class Standstill : public ::testing::Test {
 protected:
  static host::Job job_of(const host::Device& device) {
    const host::Network network = host::single_layer_network(kLayer);
    return host::compile(host::random_quantization(network, host::uniform_policy(network, 8, 8), 1),
                         device.info());
  }

  /// The job, whose first instruction of `opcode` waits for more instructions than there are: `load`,
  /// `compute`.
  static host::Job stuck(host::Job job, std::uint32_t opcode, std::uint32_t load, std::uint32_t compute) {
    for (host::Block& block : job.blocks) {
      if (block.offset != job.descriptors) continue;
      for (std::size_t at = 0; at < block.bytes.size(); at += 64) {
        std::uint32_t words[2];
        std::memcpy(words, &block.bytes[at], sizeof words);
        if ((words[0] & 0xff) != opcode) continue;
        words[0] |= load << 16;
        words[1] |= compute;
        std::memcpy(&block.bytes[at], words, sizeof words);
        return job;
      }
    }
    throw Error(fmt::format("no instruction of opcode {:#x}", opcode));
  }

  const std::vector<std::uint8_t> input_ = std::vector<std::uint8_t>(32 * 6 * 6, 1);
};

TEST_F(Standstill, ends_the_job_with_what_waits_and_the_next_one_runs) {
  const auto device = make_sim_device("tiny");
  host::Driver driver(*device);
  const host::Job job = job_of(*device);
  const auto run = [&](const host::Job& which) {
    driver.load(which);
    return driver.run(input_);
  };
  const auto before = run(job).total;
  EXPECT_THAT([&] { run(stuck(job, 0x10, 0x7000, 0)); },
              ThrowsMessage<DeviceTimeout>(
                  AllOf(HasSubstr("stands still"), HasSubstr("the compute engine for a load"))));
  EXPECT_THAT([&] { run(stuck(job, 0x20, 0, 0x7000)); },
              ThrowsMessage<DeviceTimeout>(AllOf(HasSubstr("stands still"), HasSubstr("the sequencer"))));
  EXPECT_EQ(run(job).total, before);
}

TEST_F(Standstill, is_no_memory_that_is_slow_or_stalls_at_random) {
  for (const char* memory : {"latency=50000,write_latency=50000,outstanding=2", "random_stall=0.98"}) {
    const auto device = make_sim_device("tiny", parse_memory(memory), {}, Detail::timing);
    host::Driver driver(*device);
    driver.load(job_of(*device));
    EXPECT_GT(driver.run(input_).cycles(), 20'000u) << memory;
  }
}

TEST_F(Standstill, is_no_long_job_whose_progress_is_told_and_whose_cycles_stay) {
  const auto device = make_sim_device("tiny", {}, {}, Detail::timing);
  host::Driver driver(*device);
  const host::Network network =
      host::single_layer_network("conv in=128x12x12 out=32 kernel=3 stride=1 pad=1");
  driver.load(host::compile(host::random_quantization(network, host::uniform_policy(network, 8, 8), 1),
                            device->info()));
  const std::vector<std::uint8_t> input(128 * 12 * 12, 1);
  std::vector<double> told;
  const auto run = [&] {
    return driver.run(input, host::Driver::kDefaultLimit, [&](double done) { told.push_back(done); }).total;
  };
  const auto first = run();
  ASSERT_GT(told.size(), 5u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_GT(told.front(), 0);
  EXPECT_LE(told.back(), 1);
  EXPECT_EQ(first, run());
}

}  // namespace
}  // namespace bitloop::sim
