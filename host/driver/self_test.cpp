#include "host/driver/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string_view>
#include <tuple>
#include <utility>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "host/network/policy.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 1;
constexpr int kRoundTrips = 1000;
constexpr double kLongest = 1;  ///< seconds, of each figure
constexpr Address kFirstBytes = Address{64} << 10;
constexpr Address kMostBytes = Address{32} << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double round_trip_us(Device& device) {
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < kRoundTrips && (times.empty() || seconds_since(start) < kLongest)) {
    const auto before = Clock::now();
    const std::uint32_t id = device.read_register(registers::kId);
    times.push_back(1e6 * seconds_since(before));
    if (id != registers::kIdValue) {
      throw DeviceError(fmt::format("register ID reads {:#010x}, not {:#010x}", id, registers::kIdValue));
    }
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

std::vector<std::byte> random_bytes(Address count) {
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// Writes and reads the first `count` bytes of the memory.
LinkSpeed transfer(Device& device, Address count) {
  const auto written = random_bytes(count);
  auto start = Clock::now();
  device.write_memory(0, written);
  device.confirm();
  const double write_seconds = seconds_since(start);
  std::vector<std::byte> read(count);
  start = Clock::now();
  device.read_memory(0, read);
  device.confirm();
  const double read_seconds = seconds_since(start);
  const auto wrong = std::mismatch(written.begin(), written.end(), read.begin());
  if (wrong.first != written.end()) {
    throw DeviceError(
        fmt::format("memory at {:#x} does not keep what is written: {:#04x} reads back as {:#04x}",
                    wrong.first - written.begin(), std::to_integer<int>(*wrong.first),
                    std::to_integer<int>(*wrong.second)));
  }
  const double megabytes = 1e-6 * static_cast<double>(count);
  return {
      .write_mb_per_s = megabytes / write_seconds, .read_mb_per_s = megabytes / read_seconds, .bytes = count};
}

TestCase make_case(std::string name, const Network& network, int weight_bits, int input_bits) {
  std::mt19937_64 random(kSeed);
  TestCase test{std::move(name),
                random_quantization(network, uniform_policy(network, weight_bits, input_bits), kSeed),
                {},
                {}};
  const Tensor& input = network.tensors[static_cast<std::size_t>(network.input)];
  const int bits =
      network.image_input ? 8 : test.network.bits.written[static_cast<std::size_t>(network.input)];
  test.input.resize(static_cast<std::size_t>(input.shape.elements()));
  for (std::uint8_t& code : test.input) code = static_cast<std::uint8_t>(random() & ((1u << bits) - 1));
  test.expected = golden_run(test.network, test.input);
  return test;
}

const CodeTensor& expected_at(const TestCase& test, const TensorPlace& place) {
  const auto& tensors = test.network.network.tensors;
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == place.name; });
  if (found == tensors.end())
    throw Error(fmt::format("job names a tensor '{}' that the network has not", place.name));
  const auto index = static_cast<std::size_t>(found - tensors.begin());
  return place.narrow ? test.expected.narrow[index] : test.expected.written[index];
}

std::size_t counter(std::string_view name) {
  const auto names = counter_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw Error(fmt::format("there is no counter '{}'", name));
  return static_cast<std::size_t>(found - names.begin());
}

/// The segments' records cannot count more than the job, and each array cycle has all units at work.
std::string counter_fault(const Measurement& measurement, const HardwareInfo& hardware) {
  Counters sum{};
  for (const Counters& segment : measurement.segments) {
    for (std::size_t i = 0; i < kCounters; ++i) sum[i] += segment[i];
  }
  for (std::size_t i = 0; i < counter_names().size(); ++i) {
    if (sum[i] <= measurement.total[i]) continue;
    return fmt::format("counter {} of the segments' records adds up to {}, more than the job's {}",
                       counter_names()[i], sum[i], measurement.total[i]);
  }
  const std::uint64_t units = std::uint64_t{64} * static_cast<std::uint64_t>(hardware.pixels) *
                              static_cast<std::uint64_t>(hardware.filters);
  const std::uint64_t macs = measurement.total[counter("binary_macs")];
  const std::uint64_t active = measurement.total[counter("array_active")];
  if (macs == units * active) return "";
  return fmt::format("counter binary_macs is {}, not {} times {} active cycles", macs, units, active);
}

}  // namespace

LinkSpeed measure_link(Device& device) {
  const Address room = device.memory_size() / 8 * 8;
  const Address least = std::min(room, kFirstBytes);
  const LinkSpeed hint = transfer(device, least);
  const double per_second = 1e6 * std::min(hint.write_mb_per_s, hint.read_mb_per_s);
  const auto wanted =
      static_cast<Address>(std::min(kLongest * per_second, static_cast<double>(kMostBytes))) / 8 * 8;
  const Address count = std::clamp(wanted, least, room);
  const LinkSpeed first = transfer(device, count);  // fills caches and page tables
  const LinkSpeed second = transfer(device, count);
  return {.round_trip_us = round_trip_us(device),
          .write_mb_per_s = std::max(first.write_mb_per_s, second.write_mb_per_s),
          .read_mb_per_s = std::max(first.read_mb_per_s, second.read_mb_per_s),
          .bytes = count};
}

std::vector<TestCase> test_cases() {
  std::vector<TestCase> cases;
  const auto add = [&](const char* kind, const char* layer,
                       std::initializer_list<std::pair<int, int>> pairs) {
    const Network network = single_layer_network(layer);
    for (const auto& [weight_bits, input_bits] : pairs) {
      cases.push_back(make_case(fmt::format("{} w{}a{}", kind, weight_bits, input_bits), network, weight_bits,
                                input_bits));
    }
  };
  add("conv 3x3", "conv in=24x10x10 out=20 kernel=3 stride=1 pad=1",
      {{8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 8}, {8, 1}, {2, 4}});
  add("conv 1x1 stride 2", "conv in=70x9x9 out=36 kernel=1 stride=2 pad=0", {{8, 8}, {4, 2}, {1, 2}});
  add("dwconv", "dwconv in=40x9x9 kernel=3 stride=1 pad=1", {{8, 8}, {4, 4}, {1, 1}});
  add("linear", "linear in=300 out=70", {{8, 8}, {2, 8}, {1, 1}});
  const Network lenet = zoo_network("lenet");
  cases.push_back(make_case("lenet w4a2", lenet, 4, 2));
  const Network mobilenet = zoo_network("mobilenet-v2-0.35", Shape{3, 32, 32}, 10);
  cases.push_back(make_case("mobilenet-v2-0.35 w2a4", mobilenet, 2, 4));
  return cases;
}

TestRun run_case(Driver& driver, const TestCase& test, const HardwareInfo& hardware) {
  TestRun run{.name = test.name};
  run.job = compile(test.network, hardware, {.spill_all = true});
  driver.load(run.job);
  run.measurement = driver.run(test.input);
  for (const TensorPlace& place : run.job.tensors) run.tensors.push_back(driver.read_tensor(place));
  return run;
}

std::string fault_of(const TestRun& run, const TestCase& test, const HardwareInfo& hardware) {
  const std::string fault = counter_fault(run.measurement, hardware);
  if (!fault.empty() || !hardware.computes) return fault;
  for (std::size_t i = 0; i < run.tensors.size(); ++i) {
    const auto& codes = run.tensors[i].codes;
    const auto& expected = expected_at(test, run.job.tensors[i]).codes;
    if (codes == expected) continue;
    const auto wrong = std::mismatch(codes.begin(), codes.end(), expected.begin(), expected.end());
    const auto at = wrong.first - codes.begin();
    if (wrong.first == codes.end() || wrong.second == expected.end()) {
      return fmt::format("tensor {} has {} codes instead of {}", run.job.tensors[i].name, codes.size(),
                         expected.size());
    }
    return fmt::format("code {} of tensor {} is {} instead of {}", at, run.job.tensors[i].name, *wrong.first,
                       *wrong.second);
  }
  return "";
}

bool same_parameters(const HardwareInfo& a, const HardwareInfo& b) {
  const auto parameters = [](const HardwareInfo& info) {
    return std::tie(info.pixels, info.filters, info.activation_rows, info.weight_rows, info.parameter_slots,
                    info.staging_words);
  };
  return parameters(a) == parameters(b);
}

std::vector<std::string> different_counters(const Counters& a, const Counters& b) {
  std::vector<std::string> names;
  for (const char* name :
       {"array_active", "pool_active", "channel_active", "requantize_ops", "activation_reads",
        "activation_writes", "weight_reads", "weight_writes", "read_beats", "write_beats", "read_bursts",
        "write_bursts", "descriptors", "binary_macs"}) {
    const std::size_t i = counter(name);
    if (a[i] != b[i]) names.emplace_back(name);
  }
  return names;
}

}  // namespace bitloop::host
