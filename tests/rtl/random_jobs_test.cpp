// Random small networks, compiled and run by the RTL behind the simulated memory, against the golden
// functions: every tensor, byte for byte, and what must hold of the counters. A job is made from its seed
// alone, its device included.
//
//   BITLOOP_RANDOM_JOBS=20000   more jobs (2,000 by default, over all configurations)
//   BITLOOP_RANDOM_SEED=123     first seed; with BITLOOP_RANDOM_JOBS=1 this repeats one job
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "host/driver/driver.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"

namespace bitloop {
namespace {

using Random = std::mt19937_64;

int pick(Random& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
}
bool chance(Random& random, int percent) { return pick(random, 1, 100) <= percent; }

struct RandomJob {
  host::Network network;
  host::Policy policy;
};

int input_bits(Random& random, const host::Tensor& tensor) {
  return host::kWidths[pick(random, tensor.is_signed ? 1 : 0, 3)];
}

/// A layer on the last tensor of `network`, and the tensor that it writes.
void append_layer(Random& random, host::Network& network, host::LayerKind kind, bool image) {
  const host::Shape in = network.tensors.back().shape;
  host::Layer layer;
  layer.name = fmt::format("layer{}", network.layers.size());
  layer.kind = kind;
  layer.inputs = {static_cast<int>(network.tensors.size()) - 1};
  layer.output = layer.input() + 1;
  host::Shape out{chance(random, 50) ? pick(random, 1, 20) : pick(random, 1, 70), 1, 1};
  if (kind != host::LayerKind::linear) {
    layer.kernel_height = pick(random, 1, std::min(7, in.height + 1));
    layer.kernel_width = chance(random, 80) ? layer.kernel_height : pick(random, 1, 7);
    layer.stride = pick(random, 1, 3);
    const int smaller = std::min(layer.kernel_height, layer.kernel_width);
    layer.pad = chance(random, 40)
                    ? 0
                    : pick(random, 0, kind == host::LayerKind::max_pool ? smaller / 2 : smaller - 1);
    if (image) {
      layer.kernel_width = layer.kernel_height;
      if (in.channels > 4) layer.pad = 0;
    }
    const host::Shape windows = layer.window().over(in);
    out.height = windows.height;
    out.width = windows.width;
  }
  if (kind == host::LayerKind::max_pool) {
    out.channels = in.channels;
  }
  const bool is_signed =
      kind == host::LayerKind::max_pool ? network.tensors.back().is_signed : chance(random, 25);
  network.tensors.push_back({fmt::format("tensor{}", layer.output), out, is_signed});
  network.layers.push_back(layer);
}

RandomJob draw(Random& random) {
  RandomJob job;
  host::Network& network = job.network;
  network.name = "random";
  network.image_input = chance(random, 25);
  const int largest = chance(random, 80) ? 20 : 48;
  host::Shape shape{chance(random, 50) ? pick(random, 1, 33) : pick(random, 1, 100), pick(random, 1, largest),
                    pick(random, 1, largest)};
  if (network.image_input) {
    const int channels[] = {1, 1, 1, 3, 3, 3, pick(random, 2, 4), pick(random, 5, 20)};
    shape = {channels[pick(random, 0, 7)], pick(random, 5, 28), pick(random, 5, 28)};
  }
  network.tensors.push_back({"input", shape, !network.image_input && chance(random, 25)});
  const bool linear_first = !network.image_input && chance(random, 25);
  append_layer(random, network, linear_first ? host::LayerKind::linear : host::LayerKind::conv,
               network.image_input);
  if (!linear_first && chance(random, 30)) {
    append_layer(random, network, host::LayerKind::max_pool, false);
  }
  if (network.layers.size() == 2 || chance(random, 25)) {
    append_layer(random, network, chance(random, 50) ? host::LayerKind::linear : host::LayerKind::conv,
                 false);
  }
  network.tensors.back().name = "output";
  network.tensors.back().is_signed = false;
  network.outputs = {static_cast<int>(network.tensors.size()) - 1};
  const int widths[] = {1, 2, 4, 8, 32};
  network.output_bits = widths[pick(random, 0, 4)];

  job.policy.network = network.name;
  for (const host::Layer& layer : network.layers) {
    if (layer.has_weights()) {
      const bool image = network.image_input && layer.input() == network.input;
      job.policy.layers.push_back({layer.name, host::kWidths[pick(random, 0, 3)],
                                   image ? 8 : input_bits(random, network.tensors[layer.input()])});
    }
  }
  return job;
}

/// Array cycles of a P = 2, F = 4 array, roughly; negative where a window does not fit.
long array_cycles(const RandomJob& job) {
  long cycles = 0;
  std::size_t weight_layer = 0;
  for (const host::Layer& layer : job.network.layers) {
    const host::Shape in = job.network.input_shape(layer);
    const host::Shape out = job.network.output_shape(layer);
    if (in.elements() <= 0 || out.height < 1 || out.width < 1) {
      return -1;
    }
    if (!layer.has_weights()) {
      continue;
    }
    const host::LayerBits& bits = job.policy.layers[weight_layer++];
    const host::Window window = host::layer_window(job.network, layer);
    cycles += ((out.height * out.width + 1L) / 2) * ((out.channels + 3L) / 4) * ((in.channels + 31L) / 32) *
              window.height * window.width * std::max(1, bits.weight_bits * bits.input_bits / 2);
  }
  return cycles;
}

/// Most jobs are small, so that many run; some are large, so that tensors do not fit into the tiny SRAMs.
RandomJob draw_runnable(Random& random) {
  const long limit = chance(random, 85) ? 6000 : 60'000;
  while (true) {
    RandomJob job = draw(random);
    const long cycles = array_cycles(job);
    if (cycles >= 0 && cycles <= limit && (limit == 6000 || cycles > 6000)) {
      return job;
    }
  }
}

std::string describe(const RandomJob& job) {
  std::string text = job.network.image_input ? "image" : "codes";
  for (const host::Layer& layer : job.network.layers) {
    const host::Shape in = job.network.input_shape(layer);
    const host::Shape out = job.network.output_shape(layer);
    static constexpr const char* kKinds[] = {"conv",       "depthwise",    "linear",   "add",
                                             "max_pool",   "average_pool", "concat",   "upsample",
                                             "interleave", "select",       "function", "product"};
    const char* kind = kKinds[static_cast<int>(layer.kind)];
    text += fmt::format(" | {} in={}x{}x{}{} out={}x{}x{} kernel={}x{} stride={} pad={}", kind, in.channels,
                        in.height, in.width, job.network.tensors[layer.input()].is_signed ? " signed" : "",
                        out.channels, out.height, out.width, layer.kernel_height, layer.kernel_width,
                        layer.stride.y, layer.pad.top);
  }
  return text + fmt::format(" | out_bits={} policy {}", job.network.output_bits, job.policy.key());
}

std::vector<std::uint8_t> random_input(Random& random, const host::QuantizedNetwork& network) {
  const host::Network& graph = network.network;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(graph.tensors[graph.input].shape.elements()));
  const unsigned mask = (1u << network.bits.read(graph.input)) - 1;
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(random() & mask);
  }
  return bytes;
}

/// Throws the first difference as text.
void compare_tensors(const host::QuantizedNetwork& network, const host::Job& job, host::Driver& driver,
                     std::span<const std::uint8_t> input) {
  const host::TensorCodes golden = host::golden_run(network, input);
  for (const host::TensorPlace& place : job.tensors) {
    std::size_t index = 0;
    while (network.network.tensors.at(index).name != place.name) {
      ++index;
    }
    const host::CodeTensor got = driver.read_tensor(place);
    const host::CodeTensor& want = place.narrow ? golden.narrow[index] : golden.written[index];
    if (got.shape != want.shape || got.codes.size() != want.codes.size()) {
      throw Error(fmt::format("{} has another shape", place.name));
    }
    const auto [a, b] = std::mismatch(got.codes.begin(), got.codes.end(), want.codes.begin());
    if (a != got.codes.end()) {
      const long at = a - got.codes.begin();
      const int plane = want.shape.height * want.shape.width;
      throw Error(fmt::format("{}: channel {} row {} column {} is {}, must be {}", place.name, at / plane,
                              at % plane / want.shape.width, at % want.shape.width, *a, *b));
    }
  }
}

std::uint64_t state_sum(const host::Counters& counters) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < host::registers::kCounterCount; ++i) {
    sum += host::registers::kCounterIsState[i] ? counters[i] : 0;
  }
  return sum;
}

/// Throws where counters contradict each other. Returns the cycles outside all segments.
std::uint64_t check_counters(const host::Measurement& measurement) {
  if (state_sum(measurement.total) != measurement.cycles()) {
    throw Error(
        fmt::format("states sum to {} of {} cycles", state_sum(measurement.total), measurement.cycles()));
  }
  std::uint64_t inside = 0;
  for (const host::Counters& segment : measurement.segments) {
    if (state_sum(segment) != segment[0]) {
      throw Error(fmt::format("a segment's states sum to {} of {} cycles", state_sum(segment), segment[0]));
    }
    inside += segment[0];
  }
  if (inside > measurement.cycles()) {
    throw Error(fmt::format("segments have {} of {} cycles", inside, measurement.cycles()));
  }
  return measurement.cycles() - inside;
}

/// Cycles of a job outside its segments: writing the last record, with the default memory
/// (docs/accelerator.md).
constexpr std::uint64_t kRecordCycles = 56;

/// What came of all jobs of one configuration. Shared by threads.
struct Outcome {
  std::mutex mutex;
  std::vector<std::string> failures;
  long run = 0;
  std::set<std::pair<int, int>> pairs;  // (weight, input) bits that ran
  /// Cycles before the first and after the last segment: the same for all jobs, by contract 3.
  std::optional<std::uint64_t> outside;
};

/// A small graph of all operations under a random policy.
RandomJob draw_graph(Random& random, std::uint64_t seed) {
  RandomJob job;
  job.network = host::test::random_graph(seed);
  job.policy = host::test::random_policy(job.network, random);
  return job;
}

using Draw = std::function<RandomJob(Random&, std::uint64_t seed)>;

void run_seed(const std::string& hardware, std::uint64_t seed, const Draw& draw_job, Outcome& outcome) {
  Random random(seed);
  const RandomJob drawn = draw_job(random, seed);
  std::string where = fmt::format("{} seed {}: {}", hardware, seed, describe(drawn));
  try {
    const host::QuantizedNetwork network = host::random_quantization(drawn.network, drawn.policy, random());
    sim::MemoryModel memory;
    memory.bytes = 16u << 20;
    memory.random_stall = chance(random, 50) ? 0 : chance(random, 50) ? 0.1 : 0.5;
    memory.stall_seed = seed;
    const auto device = sim::make_sim_device(hardware, memory);
    const host::Job job = host::compile(network, device->info(), {.spill_all = chance(random, 50)});
    host::Driver driver(*device);
    driver.load(job);
    std::optional<host::Measurement> first;
    for (int image = 0; image < 2; ++image) {
      const std::vector<std::uint8_t> input = random_input(random, network);
      const host::Measurement measurement = driver.run(input, 20'000'000);
      compare_tensors(network, job, driver, input);
      const std::uint64_t outside = check_counters(measurement);
      if (memory.random_stall > 0) {
        continue;
      }
      if (first && (first->total != measurement.total || first->segments != measurement.segments)) {
        throw Error("counters depend on the input");
      }
      first = measurement;
      const std::lock_guard lock(outcome.mutex);
      if (!outcome.outside) {
        outcome.outside = outside;
      }
      if (*outcome.outside != outside) {
        throw Error(
            fmt::format("{} cycles outside the segments, {} in other jobs", outside, *outcome.outside));
      }
    }
    const std::lock_guard lock(outcome.mutex);
    ++outcome.run;
    for (const host::LayerBits& layer : drawn.policy.layers) {
      outcome.pairs.insert({layer.weight_bits, layer.input_bits});
    }
  } catch (const std::exception& error) {
    const std::lock_guard lock(outcome.mutex);
    outcome.failures.push_back(where + ": " + error.what());
  }
}

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

void run_jobs(const std::string& hardware, std::uint64_t jobs, const Draw& draw_job) {
  const std::uint64_t first = from_environment("BITLOOP_RANDOM_SEED", 1);
  Outcome outcome;
  std::atomic<std::uint64_t> next = 0;
  const auto work = [&] {
    for (std::uint64_t i = next++; i < jobs; i = next++) {
      {
        const std::lock_guard lock(outcome.mutex);
        if (outcome.failures.size() >= 10) {
          return;
        }
      }
      run_seed(hardware, first + i, draw_job, outcome);
    }
  };
  std::thread second(work);
  work();
  second.join();
  for (const std::string& failure : outcome.failures) {
    ADD_FAILURE() << failure << "\nrepeat with BITLOOP_RANDOM_JOBS=1 BITLOOP_RANDOM_SEED=<seed>";
  }
  fmt::print("{}: {} jobs run, {} precision pairs\n", hardware, outcome.run, outcome.pairs.size());
  if (jobs >= 100) {
    EXPECT_EQ(outcome.pairs.size(), 16u);
    EXPECT_EQ(outcome.outside.value_or(0), kRecordCycles);
  }
}

RandomJob draw_layers(Random& random, std::uint64_t /*seed*/) { return draw_runnable(random); }

TEST(RandomJobs, give_the_golden_tensors_and_consistent_counters_on_tiny) {
  run_jobs("tiny", (from_environment("BITLOOP_RANDOM_JOBS", 2000) * 3 + 3) / 4, draw_layers);
}

TEST(RandomJobs, give_the_golden_tensors_and_consistent_counters_on_default) {
  run_jobs("default", (from_environment("BITLOOP_RANDOM_JOBS", 2000) + 3) / 4, draw_layers);
}

TEST(RandomGraphs, of_all_operations_give_the_golden_tensors_on_tiny) {
  run_jobs("tiny", (from_environment("BITLOOP_RANDOM_GRAPHS", 300) + 1) / 2, draw_graph);
}

TEST(RandomGraphs, of_all_operations_give_the_golden_tensors_on_default) {
  run_jobs("default", (from_environment("BITLOOP_RANDOM_GRAPHS", 300) + 1) / 2, draw_graph);
}

}  // namespace
}  // namespace bitloop
