#pragma once

#include <memory>
#include <ostream>
#include <random>
#include <vector>

#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "tests/host/network/random_cases.h"

namespace bitloop::host::test {

/// What a job gave on a device.
struct JobOutcome {
  Measurement measurement;
  CodeTensor result;

  /// Every counter and every byte; not how long it took by the clock.
  bool operator==(const JobOutcome& other) const {
    return measurement.total == other.measurement.total &&
           measurement.segments == other.measurement.segments && result == other.result;
  }
  /// What a failed comparison prints.
  friend void PrintTo(const JobOutcome& outcome, std::ostream* out) {
    *out << outcome.measurement.cycles() << " cycles in " << outcome.measurement.segments.size()
         << " segments, counters";
    for (const auto counter : outcome.measurement.total) *out << ' ' << counter;
    *out << ", codes";
    for (const auto code : outcome.result.codes) *out << ' ' << int{code};
  }
};

inline JobOutcome run_job(Driver& driver, const std::shared_ptr<const Job>& job,
                          const std::vector<std::uint8_t>& image) {
  driver.load(job);
  Measurement measurement = driver.run(image);
  return {std::move(measurement), driver.read_tensor(job->tensors.back())};
}

/// A job with what it gives on the device in this process: the same on any other one of its fingerprint.
struct JobCase {
  std::shared_ptr<const Job> job;
  std::vector<std::uint8_t> image;
  JobOutcome expected;

  [[nodiscard]] JobOutcome run(Driver& driver) const { return run_job(driver, job, image); }
};

/// Random weights and image.
inline JobCase make_job_case(Device& device, const Network& network, const Policy& policy,
                             std::mt19937_64& random) {
  const auto job =
      std::make_shared<const Job>(compile(random_quantization(network, policy, random()), device.info()));
  const std::vector<std::uint8_t> image =
      random_input(job->image_shape, job->input_bits == 0 ? 8 : job->input_bits, random);
  Driver driver(device);
  return {job, image, run_job(driver, job, image)};
}

/// Jobs of several kinds of layers and widths.
inline std::vector<JobCase> make_job_cases(Device& device) {
  constexpr const char* kLayers[] = {"conv in=32x6x6 out=16 kernel=3 stride=1 pad=1",
                                     "conv in=16x9x7 out=40 kernel=1 stride=1 pad=0",
                                     "dwconv in=32x8x8 kernel=3 stride=2 pad=1", "linear in=200 out=30"};
  constexpr int kPairs[][2] = {{1, 1}, {1, 2}, {2, 2}, {4, 4}, {8, 8}, {2, 8}};
  std::vector<JobCase> cases;
  std::mt19937_64 random{1};
  for (const char* layer : kLayers) {
    const Network network = single_layer_network(layer);
    for (const auto& [weight_bits, input_bits] : kPairs)
      cases.push_back(
          make_job_case(device, network, uniform_policy(network, weight_bits, input_bits), random));
  }
  return cases;
}

}  // namespace bitloop::host::test
