#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "agent/cli/verbs.h"
#include "agent/console/table.h"
#include "host/compiler.h"
#include "host/error.h"
#include "host/measure.h"

namespace bitloop::cli {
namespace {

constexpr const char* kAbout =
    R"(bitloop measure: runs one image through a network, or one layer, on the device and prints what the hardware
counted: cycles and every other counter, in total and per layer. Cycles do not depend on weights or pixels, so the
integers are random, and layers that were measured before are remembered (--fresh runs them again).

  bitloop measure --model lenet --policy w4a8
  bitloop measure --model lenet --policy runs/demo/policy.json --format json
  bitloop measure --layer "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1" --policy w2a2
  bitloop measure --model lenet --policy w4a4 --fresh
  bitloop measure --model lenet --policy w8a8 --memory latency=100,outstanding=4
  bitloop measure --model lenet --policy w8a8 --wave lenet.fst --wave-cycles 0:5000
)";

constexpr std::uint64_t kSeed = 1;

/// "FIRST:LAST", LAST exclusive.
sim::WaveWindow wave_window(const console::Options& options) {
  sim::WaveWindow window{.file = options.text_of("wave")};
  if (!options.has("wave-cycles")) return window;
  const std::string text = options.text_of("wave-cycles");
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, window.first);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == ':') {
    const auto last = std::from_chars(first.ptr + 1, end, window.last);
    if (last.ec == std::errc{} && last.ptr == end && window.first < window.last) return window;
  }
  throw InputError(fmt::format("--wave-cycles '{}' is no window: give FIRST:LAST, such as 0:5000", text));
}

host::Network chosen_network(const console::Options& options) {
  if (options.has("model") == options.has("layer")) {
    throw InputError("bitloop measure needs either --model or --layer: for example --model lenet");
  }
  return options.has("model") ? host::zoo_network(options.text_of("model"))
                              : host::single_layer_network(options.text_of("layer"));
}

nlohmann::ordered_json counters_json(const host::Counters& counters) {
  nlohmann::ordered_json json;
  const auto names = host::counter_names();
  for (std::size_t i = 0; i < names.size() && i < counters.size(); ++i) json[names[i]] = counters[i];
  return json;
}

/// One row per segment and one for the whole job.
console::Table counters_table(const host::Job& job, const host::Measurement& measurement, bool all) {
  static const std::vector<std::string> kShown = {"cycles",      "array_active", "stall_load",
                                                  "stall_drain", "load_only",    "sequencing"};
  const auto names = host::counter_names();
  std::vector<std::string> columns{"layer"};
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (all || std::find(kShown.begin(), kShown.end(), names[i]) != kShown.end()) {
      columns.emplace_back(names[i]);
      indices.push_back(i);
    }
  }
  console::Table table(columns);
  const auto add = [&](const std::string& name, const host::Counters& counters) {
    std::vector<std::string> cells{name};
    for (const std::size_t i : indices) cells.push_back(std::to_string(counters[i]));
    table.add_row(cells);
  };
  for (std::size_t i = 0; i < measurement.segments.size(); ++i)
    add(job.segments.at(i), measurement.segments[i]);
  add("total", measurement.total);
  return table;
}

nlohmann::ordered_json measurement_json(const host::HardwareInfo& hardware, const host::Network& network,
                                        const std::string& policy_text, const host::Policy& policy,
                                        const host::Job& job, const host::MeasuredJob& measured) {
  const host::Measurement& measurement = measured.measurement;
  nlohmann::ordered_json json{
      {"network", network.name},
      {"hardware", hardware.name},
      {"fingerprint", hardware.fingerprint},
      {"memory", hardware.memory},
      {"policy", policy_text},
      {"policy_key", policy.key()},
      {"milliseconds", 1e3 * static_cast<double>(measurement.cycles()) / hardware.clock_hz},
      {"segments", {{"measured", measured.segments_measured}, {"remembered", measured.segments_remembered}}},
      {"total", counters_json(measurement.total)},
      {"layers", nlohmann::ordered_json::array()}};
  for (std::size_t i = 0; i < measurement.segments.size(); ++i) {
    nlohmann::ordered_json layer{{"name", job.segments.at(i)}};
    layer.update(counters_json(measurement.segments[i]));
    json["layers"].push_back(layer);
  }
  return json;
}

}  // namespace

int measure(const console::Arguments& arguments) {
  console::Options options("measure", kAbout);
  options.text("model", "network of the zoo (bitloop info lists them)");
  options.text("layer", "one layer instead of a model: \"conv in=CxHxW out=F kernel=K stride=S pad=P\"");
  options.text("policy", "w8a8", "wXaY (uniform) or a policy.json");
  options.device_options();
  options.store_option();
  options.text("wave", "write an FST waveform to this file");
  options.text("wave-cycles", "FIRST:LAST, the cycles of the waveform (default: all)");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const host::Network network = chosen_network(options);
  const std::string policy_text = options.text_of("policy");
  const host::Policy policy = host::load_policy(network, policy_text);
  std::optional<sim::WaveWindow> wave;
  if (options.has("wave")) wave = wave_window(options);

  const auto device = console::open_device(options.text_of("device"), options.text_of("hardware"),
                                           options.text_of("memory"), wave);
  const host::HardwareInfo& hardware = device->info();
  const host::Job job = host::compile(host::random_quantization(network, policy, kSeed), hardware);
  // A waveform shows a run, so there must be one.
  const auto store = wave ? nullptr : console::open_store(options);
  const host::MeasuredJob measured = host::measure(*device, job, store.get());
  const host::Measurement& measurement = measured.measurement;

  if (format == console::Format::json) {
    console::print(measurement_json(hardware, network, policy_text, policy, job, measured).dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(counters_table(job, measurement, true).csv());
  } else {
    console::print(
        fmt::format("{} at {} on {} hardware, memory {}: {} cycles, {:.3f} ms at {:.0f} MHz\n"
                    "segments: {} measured, {} remembered\n\n{}",
                    network.name, policy_text, hardware.name, hardware.memory, measurement.cycles(),
                    1e3 * static_cast<double>(measurement.cycles()) / hardware.clock_hz,
                    hardware.clock_hz / 1e6, measured.segments_measured, measured.segments_remembered,
                    counters_table(job, measurement, false).text()));
  }
  return 0;
}

}  // namespace bitloop::cli
