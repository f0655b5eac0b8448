// Timing-only devices against full ones, through the Device interface.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"

namespace bitloop::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::unique_ptr<host::Device> make(const char* hardware, Detail detail, const char* memory = "ddr8") {
  return make_sim_device(hardware, parse_memory(memory), {}, detail);
}

struct Job {
  std::string name;
  host::QuantizedNetwork network;
  std::vector<std::uint8_t> input;
};

std::vector<Job> some_jobs() {
  std::mt19937_64 random(7);
  std::vector<Job> jobs;
  const auto add = [&](const std::string& name, const host::Network& network, int weight_bits,
                       int input_bits) {
    const host::Policy policy = host::uniform_policy(network, weight_bits, input_bits);
    const host::QuantizedNetwork quantized = host::random_quantization(network, policy, random());
    const int bits = quantized.bits.read(network.input);
    jobs.push_back(
        {name, quantized, host::test::random_input(network.tensors[network.input].shape, bits, random)});
  };
  for (const int bits : {1, 2, 4, 8}) {
    add("lenet at " + std::to_string(bits), host::zoo_network("lenet"), bits, bits);
  }
  for (const char* layer : {"conv in=40x9x9 out=20 kernel=3 stride=2 pad=1", "linear in=200 out=30"}) {
    add(layer, host::single_layer_network(layer), 2, 4);
  }
  return jobs;
}

void expect_equal_counters(const char* hardware, const char* memory) {
  const auto full = make(hardware, Detail::full, memory);
  const auto timing = make(hardware, Detail::timing, memory);
  for (const Job& job : some_jobs()) {
    const auto measure = [&](host::Device& device) {
      host::Driver driver(device);
      driver.load(host::compile(job.network, device.info()));
      return driver.run(job.input, 10'000'000);
    };
    const host::Measurement expected = measure(*full);
    const host::Measurement found = measure(*timing);
    EXPECT_GT(found.cycles(), 0u) << job.name;
    EXPECT_EQ(found.total, expected.total) << job.name;
    EXPECT_EQ(found.segments, expected.segments) << job.name;
  }
}

TEST(TimingDevice, has_the_counters_of_the_full_one_on_tiny) { expect_equal_counters("tiny", "ddr8"); }

TEST(TimingDevice, has_the_counters_of_the_full_one_on_default) { expect_equal_counters("default", "ddr8"); }

TEST(TimingDevice, has_the_counters_of_the_full_one_at_another_memory) {
  expect_equal_counters("tiny", "latency=7,write_latency=200,outstanding=2");
}

TEST(TimingDevice, tells_what_the_full_one_tells) {
  const auto full = make("tiny", Detail::full);
  const auto timing = make("tiny", Detail::timing);
  EXPECT_EQ(timing->info().fingerprint, full->info().fingerprint);
  EXPECT_EQ(timing->info().name, full->info().name);
  EXPECT_EQ(timing->info().pixels, full->info().pixels);
  EXPECT_EQ(timing->info().filters, full->info().filters);
}

TEST(TimingDevice, writes_no_waveform) {
  EXPECT_THAT([] { make_sim_device("tiny", {}, WaveWindow{"wave.fst"}, Detail::timing); },
              ThrowsMessage<InputError>(HasSubstr("use a full one")));
}

}  // namespace
}  // namespace bitloop::sim
