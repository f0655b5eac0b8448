#include "host/driver/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <string_view>
#include <tuple>
#include <utility>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "host/network/policy.h"
#include "host/network/zoo/builder.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 1;
constexpr Cycles kMostCycles = 20'000'000;  ///< of a case: several times what the smallest hardware takes
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

std::uint8_t largest_code(int bits) { return static_cast<std::uint8_t>((1u << bits) - 1); }

/// All random.
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
  for (std::uint8_t& code : test.input) code = static_cast<std::uint8_t>(random() & largest_code(bits));
  test.expected = golden_run(test.network, test.input);
  return test;
}

/// A layer of 32-bit results, all of whose bits of operands are one: what random ones never sum up to.
TestCase make_case_of_ones(std::string name, const Network& network, int weight_bits, int input_bits) {
  TestCase test = make_case(std::move(name), network, weight_bits, input_bits);
  QuantizedLayer& layer = test.network.layers.front();
  std::fill(layer.weights.begin(), layer.weights.end(), largest_code(weight_bits));
  for (Requantization& sum : layer.requantization) sum = {.multiplier = 1, .shift = 1, .bias = 0};
  std::fill(test.input.begin(), test.input.end(), largest_code(input_bits));
  test.expected = golden_run(test.network, test.input);
  return test;
}

/// Max pools of codes of the policy's width.
Network pooled_network() {
  zoo::NetworkBuilder net("pooled", {3, 12, 12});
  const int stem = net.conv("stem", net.image(), {.filters = 40, .kernel = 3, .stride = 2});
  const int pool = net.max_pool("pool", stem, 3, 2, 1, 0);
  const int middle =
      net.conv("middle", pool, {.filters = 70, .kernel = 1, .activation = Activation::leaky_relu});
  const int last_pool = net.max_pool("last pool", middle, 2, 1, 0, 0);
  return net.finish({net.linear("end", last_pool, 10, Activation::none, false)});
}

/// What layers by themselves have not: adds, leaky ReLUs, tables, products, average pools, concats.
Network network_of_all_operations() {
  zoo::NetworkBuilder net("all operations", {3, 12, 12});
  const int stem = net.conv("stem", net.image(),
                            {.filters = 24, .kernel = 3, .stride = 2, .activation = Activation::leaky_relu});
  const int wide = net.conv("expand", stem, {.filters = 40, .activation = Activation::relu6});
  const int depth = net.depthwise("depthwise", wide, {.kernel = 3, .activation = Activation::leaky_relu});
  const int narrow = net.conv("project", depth, {.filters = 24, .activation = Activation::none});
  const int sum = net.add("add", stem, narrow, Activation::none);
  const int swish = net.function("silu", sum, "x x sigmoid mul");
  const int pool = net.max_pool("max pool", swish, 3, 2, 1, 1);
  const int gate = net.function("sigmoid", net.global_average_pool("average pool", pool), "x sigmoid");
  const int scaled = net.product("product", pool, gate);
  const int both = net.concat("concat", {scaled, pool});
  return net.finish({net.linear("end", both, 10, Activation::none, false)});
}

/// The layer that writes a tensor.
const std::string& writer_of(const Network& network, const std::string& tensor) {
  for (const Layer& layer : network.layers) {
    if (network.tensors[static_cast<std::size_t>(layer.output)].name == tensor) return layer.name;
  }
  return tensor;
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
  using Pairs = std::vector<std::pair<int, int>>;
  std::vector<TestCase> cases;
  const auto add = [&](const char* name, const Network& network, const Pairs& pairs) {
    for (const auto& [weight_bits, input_bits] : pairs) {
      cases.push_back(make_case(fmt::format("{} w{}a{}", name, weight_bits, input_bits), network, weight_bits,
                                input_bits));
    }
  };
  const auto layer = [&](const char* name, const char* text, const Pairs& pairs) {
    add(name, single_layer_network(text), pairs);
  };
  Pairs all;
  for (const int weight_bits : kWidths) {
    for (const int input_bits : kWidths) all.emplace_back(weight_bits, input_bits);
  }
  const Pairs diagonal{{8, 8}, {4, 4}, {2, 2}, {1, 1}};
  layer("conv 3x3", "conv in=40x6x5 out=20 kernel=3 pad=1", all);
  layer("conv of 32-bit results", "conv in=70x5x4 out=20 kernel=1 out_bits=32", diagonal);
  layer("conv of signed codes", "conv in=33x7x7 out=36 kernel=3x2 stride=2x1 dilation=1x2 pad=1 signed=1",
        {{8, 8}, {4, 4}, {2, 2}, {1, 2}});
  layer("dwconv", "dwconv in=40x6x6 kernel=3 pad=1", diagonal);
  layer("dwconv of signed codes", "dwconv in=70x9x8 kernel=3 stride=2 pad=1 signed=1",
        {{8, 8}, {4, 4}, {1, 2}});
  for (const auto& [weight_bits, input_bits] : diagonal) {
    cases.push_back(make_case_of_ones(
        fmt::format("conv of ones w{}a{}", weight_bits, input_bits),
        single_layer_network("conv in=64x4x5 out=20 kernel=3 pad=1 out_bits=32"), weight_bits, input_bits));
  }
  layer("linear", "linear in=300 out=70", {{8, 8}, {2, 8}, {1, 1}});
  add("pooled", pooled_network(), diagonal);
  add("all operations", network_of_all_operations(), diagonal);
  add("lenet", zoo_network("lenet"), {{4, 2}});
  add("mobilenet-v2-0.35", zoo_network("mobilenet-v2-0.35", Shape{3, 32, 32}, 10), {{2, 4}});
  return cases;
}

TestRun run_case(Driver& driver, const TestCase& test, const HardwareInfo& hardware) {
  TestRun run{.name = test.name};
  run.job = compile(test.network, hardware, {.spill_all = true});
  driver.load(run.job);
  run.measurement = driver.run(test.input, kMostCycles);
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
    const std::string& tensor = run.job.tensors[i].name;
    const std::string where = fmt::format("layer {}: ", writer_of(test.network.network, tensor));
    const auto wrong = std::mismatch(codes.begin(), codes.end(), expected.begin(), expected.end());
    const auto at = wrong.first - codes.begin();
    if (wrong.first == codes.end() || wrong.second == expected.end()) {
      return fmt::format("{}tensor {} has {} codes instead of {}", where, tensor, codes.size(),
                         expected.size());
    }
    return fmt::format("{}code {} of tensor {} is {} instead of {}", where, at, tensor, *wrong.first,
                       *wrong.second);
  }
  return "";
}

SelfTestResult run_self_test(DevicePool& devices, const Driver::Progress& progress) {
  const std::vector<TestCase> cases = test_cases();
  std::vector<std::string> faults(cases.size());
  SelfTestResult result;
  std::mutex mutex;
  std::size_t done = 0;
  class Failed {};
  // Cases start in their order, and those that have started are ended: the first fault is the same for any
  // number of devices.
  const auto run = [&](Driver& driver, std::size_t i) {
    bool fits = true;
    faults[i].clear();
    try {
      faults[i] = fault_of(run_case(driver, cases[i], devices.hardware()), cases[i], devices.hardware());
    } catch (const InputError&) {
      fits = false;
    } catch (const DeviceLost&) {
      throw;
    } catch (const DeviceError& error) {
      faults[i] = error.what();
      throw;
    }
    if (!faults[i].empty()) throw Failed();
    const std::lock_guard lock(mutex);
    ++(fits ? result.passed : result.too_small);
    if (progress) progress(static_cast<double>(++done) / static_cast<double>(cases.size()));
  };
  try {
    devices.for_each(cases.size(), run);
  } catch (const Failed&) {
  } catch (const DeviceError&) {
    if (std::all_of(faults.begin(), faults.end(), [](const std::string& fault) { return fault.empty(); }))
      throw;
  }
  for (std::size_t i = 0; i < faults.size() && result.fault.empty(); ++i) {
    if (!faults[i].empty()) result.fault = fmt::format("self-test {}: {}", cases[i].name, faults[i]);
  }
  return result;
}

bool same_parameters(const HardwareInfo& a, const HardwareInfo& b) {
  const auto parameters = [](const HardwareInfo& info) {
    return std::tie(info.pixels, info.filters, info.activation_rows, info.weight_rows, info.parameter_slots,
                    info.channel_lanes, info.staging_words);
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
