// What the store composes against what the hardware counts: whole networks under random policies whose
// segments were measured in runs of other policies.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "host/compiler.h"
#include "host/instruction.h"
#include "host/measure.h"
#include "sim/sim_device.h"
#include "tests/host/random_cases.h"

namespace bitloop::sim {
namespace {

using host::Policy;

host::Job job_of(const host::Network& network, const Policy& policy, const host::HardwareInfo& hardware) {
  return host::compile(host::random_quantization(network, policy, 1), hardware);
}

/// 64 policies in which every layer of a chain meets every combination of its weights', input's and output's
/// widths.
std::vector<Policy> covering_policies(const host::Network& network) {
  std::vector<Policy> policies;
  for (int i = 0; i < 64; ++i) {
    Policy policy = host::uniform_policy(network, host::kWidths[i / 16], 8);
    for (std::size_t k = 1; k < policy.layers.size(); ++k) {
      policy.layers[k].input_bits = host::kWidths[k % 2 == 0 ? i % 4 : i / 4 % 4];
    }
    policies.push_back(policy);
  }
  return policies;
}

/// `count` random policies on `hardware`, none of which ever ran before its measurement was composed.
void expect_composed_equals_run(const char* hardware, int count) {
  const host::Network network = host::zoo_network("lenet");
  const auto device = make_sim_device(hardware);
  host::MeasurementStore store{{}};
  std::set<std::string> ran;
  for (const Policy& policy : covering_policies(network)) {
    host::measure(*device, job_of(network, policy, device->info()), &store);
    ran.insert(policy.key());
  }
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    const Policy policy = host::test::random_policy(network, random);
    if (!ran.insert(policy.key()).second) {
      --i;
      continue;
    }
    const host::Job job = job_of(network, policy, device->info());
    const host::MeasuredJob composed = host::measure(*device, job, &store);
    ASSERT_EQ(composed.segments_remembered, network.layers.size()) << policy.key();
    const host::Measurement run = host::measure(*device, job, nullptr).measurement;
    ASSERT_EQ(composed.measurement.total, run.total) << policy.key() << ", seed " << seed;
    ASSERT_EQ(composed.measurement.segments, run.segments) << policy.key() << ", seed " << seed;
  }
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_network_in_every_counter_on_tiny) {
  expect_composed_equals_run("tiny", 200);
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_network_in_every_counter_on_default) {
  expect_composed_equals_run("default", 200);
}

/// A job of `count` segments, each of which loads the same weights.
host::Job equal_segments(int count, const host::HardwareInfo& hardware) {
  host::Job job;
  job.bytes = 0x8000;
  job.image_shape = {1, 1, 1};
  job.filters = hardware.filters;
  job.pixels = hardware.pixels;
  job.records = 0x1000;
  job.descriptors = 0x2000;
  std::vector<host::Descriptor> words;
  for (int i = 0; i < count; ++i) {
    const auto next =
        static_cast<std::uint32_t>(job.descriptors + (words.size() + 2) * host::kDescriptorBytes);
    const auto record = static_cast<std::uint32_t>(job.records + host::kRecordBytes * job.segments.size());
    words.push_back(host::encode(host::SegmentHeader{i + 1 == count, 1, next, record}));
    words.push_back(host::encode(host::Instruction{host::LoadWeight{0x4f40, 20, 0}, {}}));
    job.segments.push_back(fmt::format("segment{}", i));
  }
  const auto bytes = std::as_bytes(std::span(words));
  job.blocks.push_back({job.descriptors, {bytes.begin(), bytes.end()}});
  return job;
}

TEST(ComposedMeasurement, later_segments_count_the_record_before_them_which_is_what_the_end_counts) {
  const auto device = make_sim_device("tiny");
  const host::Job job = equal_segments(4, device->info());
  const host::Measurement m = host::measure(*device, job, nullptr).measurement;
  EXPECT_EQ(m.segments[2], m.segments[1]);
  EXPECT_EQ(m.segments[3], m.segments[1]);
  for (std::size_t i = 0; i < host::kCounters; ++i) {
    const std::uint64_t end = m.total[i] - m.segments[0][i] - 3 * m.segments[1][i];
    EXPECT_EQ(m.segments[1][i] - m.segments[0][i], end) << host::counter_names()[i];
  }
  const host::JobKeys keys = host::job_keys(job, device->info().fingerprint);
  EXPECT_NE(keys.segments[0], keys.segments[1]);
  EXPECT_EQ(keys.segments[1], keys.segments[2]);
  EXPECT_EQ(keys.segments[2], keys.segments[3]);
}

}  // namespace
}  // namespace bitloop::sim
