// What the store composes against what the hardware counts: whole networks under random policies whose
// segments were measured in runs of other policies.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>

#include "host/measurement/measure.h"
#include "host/program/instruction.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"

namespace bitloop::sim {
namespace {

using host::Policy;

std::shared_ptr<host::DevicePool> timing_devices(const char* hardware) {
  return std::make_shared<host::DevicePool>(
      "timing", [hardware] { return make_sim_device(hardware, {}, {}, Detail::timing); });
}

/// `count` random policies of a network, each composed from its segments and run whole, in jobs of `images`
/// images.
void expect_composed_equals_run(const host::Network& network, const char* hardware, int count,
                                int images = 1) {
  host::MeasurementStore store{{}};
  const auto devices = timing_devices(hardware);
  host::SegmentMeter meter(devices, &store);
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    const Policy policy = host::test::random_policy(network, random);
    const host::MeasuredNetwork composed = host::measure_network(meter, network, policy, {}, images);
    const host::MeasuredNetwork run = host::run_network(*devices, network, policy, {}, images);
    ASSERT_EQ(composed.total, run.total) << policy.key() << ", seed " << seed;
    ASSERT_EQ(composed.counters, run.counters) << policy.key() << ", seed " << seed;
  }
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_lenet_on_tiny) {
  expect_composed_equals_run(host::zoo_network("lenet"), "tiny", 200);
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_lenet_on_default) {
  expect_composed_equals_run(host::zoo_network("lenet"), "default", 200);
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_mobilenet_v2) {
  expect_composed_equals_run(host::zoo_network("mobilenet-v2", host::Shape{3, 32, 32}), "default", 200);
}

TEST(ComposedMeasurement, equals_the_run_of_the_whole_resnet18) {
  expect_composed_equals_run(host::zoo_network("resnet18", host::Shape{3, 32, 32}), "default", 200);
}

TEST(ComposedMeasurement, equals_the_run_of_mlperf_tinys_networks) {
  for (const char* name : {"resnet8", "mobilenet-v1-0.25", "ds-cnn", "ad-autoencoder"})
    expect_composed_equals_run(host::zoo_network(name), "default", 20);
}

TEST(ComposedMeasurement, equals_the_run_of_jobs_of_several_images) {
  expect_composed_equals_run(host::zoo_network("lenet"), "default", 20, 3);
  expect_composed_equals_run(host::zoo_network("resnet18", host::Shape{3, 32, 32}), "default", 5, 2);
}

TEST(ComposedMeasurement, the_full_model_counts_what_the_timing_only_model_counts) {
  for (const char* name : {"mobilenet-v2", "resnet18"}) {
    const host::Network network = host::zoo_network(name, host::Shape{3, 32, 32});
    std::mt19937_64 random(3);
    host::DevicePool full(
        "full", [] { return make_sim_device("default"); }, 1);
    const auto timing = timing_devices("default");
    for (int i = 0; i < 3; ++i) {
      const Policy policy = host::test::random_policy(network, random);
      const auto a = host::run_network(full, network, policy);
      const auto b = host::run_network(*timing, network, policy);
      ASSERT_EQ(a.total, b.total) << policy.key();
      ASSERT_EQ(a.counters, b.counters) << policy.key();
    }
  }
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

TEST(SegmentMeter, says_which_segments_do_not_fit_and_why_as_measuring_them_does) {
  host::SegmentMeter meter(timing_devices("tiny"), nullptr);
  const host::Network network = host::zoo_network("resnet18");
  const host::NetworkPlan plan =
      host::plan_network(network, host::load_policy(network, "w8a8"), meter.hardware());
  std::vector<host::SegmentMeter::Request> requests;
  for (const host::Segment& segment : plan.segments) requests.push_back({&segment, requests.empty()});
  const std::vector<std::string> refusals = meter.refusals(requests);
  ASSERT_EQ(refusals.size(), requests.size());
  EXPECT_THAT(refusals[0], ::testing::HasSubstr("layer conv1: rows of 112 positions by 4 words do not fit"));
  EXPECT_THAT(std::span(refusals).subspan(1), ::testing::Each(""));
  try {
    meter.measure(requests);
    ADD_FAILURE();
  } catch (const host::SegmentMeter::TooSmall& error) {
    EXPECT_EQ(error.what(), refusals[0]);
    EXPECT_EQ(error.request, 0u);
  }
  EXPECT_EQ(meter.measure(std::span(requests).last(1)).counters.size(), 1u);
}

TEST(ComposedMeasurement, later_segments_count_the_record_before_them_which_is_what_the_end_counts) {
  const auto device = make_sim_device("tiny");
  const host::Job job = equal_segments(4, device->info());
  host::Driver driver(*device);
  const host::Measurement m = host::run_job(driver, std::make_shared<const host::Job>(job));
  EXPECT_EQ(m.segments[2], m.segments[1]);
  EXPECT_EQ(m.segments[3], m.segments[1]);
  for (std::size_t i = 0; i < host::kCounters; ++i) {
    const std::uint64_t end = m.total[i] - m.segments[0][i] - 3 * m.segments[1][i];
    EXPECT_EQ(m.segments[1][i] - m.segments[0][i], end) << host::counter_names()[i];
  }
}

}  // namespace
}  // namespace bitloop::sim
