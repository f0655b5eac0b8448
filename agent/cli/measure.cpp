#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "agent/cli/counters.h"
#include "agent/cli/verbs.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/measurement/all_pairs.h"
#include "host/measurement/energy.h"
#include "host/measurement/measure.h"
#include "host/measurement/roofline.h"
#include "quant/open_model.h"

namespace bitloop::cli {
namespace {

using console::Purpose;

constexpr const char* kAboutMeasure =
    R"(bitloop measure: what the hardware counts for one image through a network, or one layer: cycles and every other
counter, in total and per layer, beside the least that each layer could take (roofline) and what bounds it. Cycles do
not depend on weights or pixels, so layers need none, run on the timing-only model, and are remembered; the sum is what
a run of the whole network counts, to the cycle. --fresh runs the whole network instead, on the full model.

  bitloop measure --model mobilenet-v2 --policy w4a4
  bitloop measure --model resnet18 --input 3x160x160 --policy w2a2 --format json
  bitloop measure --model mobilenet-v2 --all-pairs --format csv
  bitloop measure --model lenet --policy runs/demo/policy.json
  bitloop measure --model network.onnx --policy w4a4 --pin first,last
  bitloop measure --layer "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1" --policy w2a2
  bitloop measure --model lenet --policy w4a4 --fresh
  bitloop measure --model lenet --policy w4a4 --images-per-job 16
  bitloop measure --model lenet --policy w8a8 --memory latency=100,outstanding=4
  bitloop measure --model lenet --policy w4a4 --device tcp://board:1234,tcp://other:1234 --insecure
  bitloop measure --model resnet20 --policy w4a4 --energy asic45_horowitz
  bitloop measure --model lenet --policy w8a8 --wave lenet.fst --wave-cycles 0:5000
)";

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
  if (options.has("layer")) {
    if (options.has("input")) throw InputError("--input goes with --model: a layer's text has in=CxHxW");
    if (options.given("outputs")) throw InputError("--outputs goes with --model: a layer has one result");
    return host::single_layer_network(options.text_of("layer"));
  }
  std::optional<host::Shape> image;
  if (options.has("input")) image = options.shape_of("input");
  return quant::open_model(options.text_of("model"),
                           {.image = image, .outputs = options.words("outputs", {})})
      .network;
}

/// A uniform policy of 1-bit activations is not what it says where tensors are signed.
void note_raised_widths(const std::string& policy_text, const host::Policy& policy) {
  const bool one_bit = policy_text.size() == 4 && policy_text[0] == 'w' && policy_text.ends_with("a1");
  const auto raised = std::count_if(policy.layers.begin(), policy.layers.end(),
                                    [](const host::LayerBits& layer) { return layer.input_bits == 2; });
  if (!one_bit || raised == 0) return;
  fmt::print(stderr, "bitloop: note: policy {}: {} of {} layers read signed tensors and get 2 input bits\n",
             policy_text, raised, policy.layers.size());
}

double share(double roofline, const host::Counters& counters) {
  return counters[0] == 0 ? 0 : roofline / static_cast<double>(counters[0]);
}

/// What --energy names.
using Profile = std::optional<host::EnergyProfile>;

/// One row per segment and one for the whole network; `all`: every counter.
console::Table counters_table(const host::HardwareInfo& hardware, const host::Network& network,
                              const host::MeasuredNetwork& measured, const Profile& profile, bool all) {
  std::vector<std::string> columns{"layer", "cycles", "compute", "bandwidth", "drain", "achieved", "bound"};
  const auto names = host::counter_names();
  if (profile) columns.emplace_back("energy_nj");
  if (all) columns.insert(columns.end(), names.begin() + 1, names.end());
  console::Table table(columns);
  const auto add = [&](const std::string& name, const host::Counters& counters,
                       const host::Roofline& roofline, double least, const char* bound) {
    std::vector<std::string> cells{name,
                                   std::to_string(counters[0]),
                                   fmt::format("{:.0f}", roofline.compute),
                                   fmt::format("{:.0f}", roofline.bandwidth),
                                   fmt::format("{:.0f}", roofline.drain),
                                   fmt::format("{:.3f}", share(least, counters)),
                                   bound};
    if (profile)
      cells.push_back(fmt::format("{:.3f}", 1e-3 * host::energy(counters, *profile, hardware).total()));
    for (std::size_t i = 1; all && i < names.size(); ++i) cells.push_back(std::to_string(counters[i]));
    table.add_row(cells);
  };
  host::Roofline sum;
  double least = 0;
  host::Counters rest = measured.total;
  for (std::size_t i = 0; i < measured.segments.size(); ++i) {
    const host::Roofline roofline = host::roofline(measured.segments[i], hardware).times(measured.runs[i]);
    add(host::segment_name(network, measured.segments[i]), measured.counters[i], roofline, roofline.cycles(),
        roofline.bound());
    sum.compute += roofline.compute;
    sum.bandwidth += roofline.bandwidth;
    sum.drain += roofline.drain;
    least += roofline.cycles();
    for (std::size_t k = 0; k < rest.size(); ++k) rest[k] -= measured.counters[i][k];
  }
  add("(last record)", rest, {}, 0, "");
  add("total", measured.total, sum, least, "");
  return table;
}

nlohmann::ordered_json roofline_json(const host::Roofline& roofline, const host::Counters& counters) {
  return {{"compute", roofline.compute},
          {"bandwidth", roofline.bandwidth},
          {"drain", roofline.drain},
          {"cycles", roofline.cycles()},
          {"achieved", share(roofline.cycles(), counters)},
          {"bound", roofline.bound()}};
}

std::size_t segments_run(const host::MeasuredNetwork& measured) {
  return std::accumulate(measured.runs.begin(), measured.runs.end(), std::size_t{0});
}

/// Of a job of several images.
std::string images_text(const host::MeasuredNetwork& measured) {
  if (measured.images == 1) return "";
  return fmt::format("; {} images, {:.1f} cycles per image", measured.images, measured.cycles_per_image());
}

nlohmann::ordered_json energy_json(const host::Counters& counters, const host::EnergyProfile& profile,
                                   const host::HardwareInfo& hardware) {
  const host::Energy energy = host::energy(counters, profile, hardware);
  return {{"picojoules", energy.total()},
          {"compute", energy.compute},
          {"requantization", energy.requantization},
          {"activation_sram", energy.activation_sram},
          {"weight_sram", energy.weight_sram},
          {"dram", energy.dram},
          {"idle", energy.idle}};
}

nlohmann::ordered_json hardware_json(const host::HardwareInfo& hardware, const host::Network& network) {
  return {{"network", network.name},
          {"hardware", hardware.name},
          {"fingerprint", hardware.fingerprint},
          {"memory", hardware.memory}};
}

nlohmann::ordered_json measurement_json(const host::HardwareInfo& hardware, const host::Network& network,
                                        const std::string& policy_text, const host::Policy& policy,
                                        const host::MeasuredNetwork& measured, const Profile& profile) {
  nlohmann::ordered_json json = hardware_json(hardware, network);
  json["policy"] = policy_text;
  json["policy_key"] = policy.key();
  json["milliseconds"] = 1e3 * static_cast<double>(measured.cycles()) / hardware.clock_hz;
  json["segments"] = {{"measured", measured.measured},
                      {"remembered", segments_run(measured) - measured.measured}};
  json["total"] = counters_json(measured.total);
  json["total"]["images"] = measured.images;
  json["total"]["cycles_per_image"] = measured.cycles_per_image();
  if (profile) {
    json["energy_profile"] = {
        {"name", profile->name}, {"source", profile->source}, {"calibrated", profile->calibrated}};
    json["total"]["energy"] = energy_json(measured.total, *profile, hardware);
  }
  json["layers"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < measured.segments.size(); ++i) {
    const host::Segment& segment = measured.segments[i];
    nlohmann::ordered_json layer{{"name", segment.name}, {"fused", nlohmann::ordered_json::array()}};
    for (std::size_t k = 1; k < segment.layers.size(); ++k) {
      layer["fused"].push_back(network.layers[static_cast<std::size_t>(segment.layers[k])].name);
    }
    layer.update(counters_json(measured.counters[i]));
    layer["macs"] = measured.runs[i] * host::macs(segment);
    if (profile) layer["energy"] = energy_json(measured.counters[i], *profile, hardware);
    layer["roofline"] =
        roofline_json(host::roofline(segment, hardware).times(measured.runs[i]), measured.counters[i]);
    json["layers"].push_back(layer);
  }
  return json;
}

console::Table pairs_table(const std::vector<host::PairMeasurement>& pairs) {
  std::vector<std::string> columns{"layer", "weight_bits", "input_bits", "output_bits"};
  const auto names = host::counter_names();
  columns.insert(columns.end(), names.begin(), names.end());
  console::Table table(columns);
  for (const host::PairMeasurement& pair : pairs) {
    std::vector<std::string> cells{pair.layer, std::to_string(pair.weight_bits),
                                   std::to_string(pair.input_bits), std::to_string(pair.output_bits)};
    for (std::size_t i = 0; i < names.size(); ++i) {
      cells.push_back(pair.counters ? std::to_string((*pair.counters)[i]) : "");
    }
    table.add_row(cells);
  }
  return table;
}

/// Cycles, a row per layer and input width, a column per weight width.
console::Table pairs_overview(const std::vector<host::PairMeasurement>& pairs) {
  console::Table table({"layer", "input_bits", "w1", "w2", "w4", "w8"});
  for (std::size_t i = 0; i < pairs.size(); i += std::size(host::kWidths)) {
    std::vector<std::string> cells{pairs[i].layer, std::to_string(pairs[i].input_bits)};
    for (std::size_t w = 0; w < std::size(host::kWidths); ++w) {
      const auto& counters = pairs[i + w].counters;
      cells.push_back(counters ? std::to_string((*counters)[0]) : "-");
    }
    table.add_row(cells);
  }
  return table;
}

nlohmann::ordered_json pairs_json(const host::HardwareInfo& hardware, const host::Network& network,
                                  const std::vector<host::PairMeasurement>& pairs) {
  nlohmann::ordered_json json = hardware_json(hardware, network);
  json["pairs"] = nlohmann::ordered_json::array();
  for (const host::PairMeasurement& pair : pairs) {
    nlohmann::ordered_json row{{"name", pair.layer},
                               {"weight_bits", pair.weight_bits},
                               {"input_bits", pair.input_bits},
                               {"output_bits", pair.output_bits}};
    if (pair.counters) {
      row.update(counters_json(*pair.counters));
    } else {
      row["refused"] = pair.refusal;
    }
    json["pairs"].push_back(row);
  }
  return json;
}

/// One line on the energy of the whole network, or nothing.
std::string energy_text(const host::HardwareInfo& hardware, const host::MeasuredNetwork& measured,
                        const Profile& profile) {
  if (!profile) return "";
  const host::Energy energy = host::energy(measured.total, *profile, hardware);
  const auto percent = [&](double part) { return energy.total() > 0 ? 100 * part / energy.total() : 0; };
  return fmt::format(
      "energy by the {} profile {}: {:.3f} uJ (compute {:.0f} %, requantization {:.0f} %, SRAM {:.0f} %, "
      "DRAM {:.0f} %, idle {:.0f} %)\n",
      profile->calibrated ? "calibrated" : "uncalibrated", profile->name, 1e-6 * energy.total(),
      percent(energy.compute), percent(energy.requantization),
      percent(energy.activation_sram + energy.weight_sram), percent(energy.dram), percent(energy.idle));
}

/// Shows segments as they go on.
host::SegmentMeter::Progress segment_progress(console::LateProgressBar& bar) {
  return [&bar](double done, std::size_t all) {
    bar.update(done / static_cast<double>(all), fmt::format("{:.0f} of {} segments", std::floor(done), all));
  };
}

int measure_pairs(const console::Options& options, console::Format format, const host::Network& network) {
  const auto store = console::open_store(options);
  host::SegmentMeter meter(console::open_pool(console::device_choice(options), Purpose::cycles), store.get());
  const auto bits = static_cast<int>(options.integer_of("out-bits", 0, 8));
  console::LateProgressBar bar("measure");
  const auto pairs = host::measure_all_pairs(meter, network, bits, segment_progress(bar));
  if (format == console::Format::json) {
    console::print(pairs_json(meter.hardware(), network, pairs).dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(pairs_table(pairs).csv());
  } else {
    console::print(fmt::format("{}: cycles of each layer by itself on {} hardware, memory {}\n\n{}",
                               network.name, meter.hardware().name, meter.hardware().memory,
                               pairs_overview(pairs).text()));
  }
  return 0;
}

/// Options that would be ignored are refused.
void check_combinations(const console::Options& options) {
  const bool pairs = options.is_set("all-pairs");
  if (options.has("wave-cycles") && !options.has("wave")) throw InputError("--wave-cycles needs --wave FILE");
  if (options.given("out-bits") && !pairs)
    throw InputError("--out-bits needs --all-pairs; a layer's text has out_bits=");
  if (pairs && options.given("images-per-job"))
    throw InputError("--all-pairs measures layers by themselves: leave out --images-per-job");
  if (pairs && options.given("policy"))
    throw InputError("--all-pairs measures all widths: leave out --policy");
  if (pairs && options.has("energy"))
    throw InputError("--energy does not go with --all-pairs: leave one of them out");
  if (pairs && options.has("wave"))
    throw InputError("--all-pairs runs many jobs: a waveform needs one --policy");
  const long bits = options.integer_of("out-bits", 0, 8);
  if (bits != 0 && bits != 1 && bits != 2 && bits != 4 && bits != 8) {
    throw InputError(
        fmt::format("--out-bits {} must be 1, 2, 4 or 8, or 0 for the width of the input", bits));
  }
}

/// Composed from measured segments; or, with a waveform or --fresh, from one run of everything.
host::MeasuredNetwork measured_network(const console::Options& options, const host::Network& network,
                                       const host::Policy& policy, host::HardwareInfo& hardware) {
  const console::DeviceChoice choice = console::device_choice(options);
  console::LateProgressBar bar("measure");
  const auto images = static_cast<int>(options.integer_of("images-per-job", 1, host::kMostImages));
  if (options.has("wave") || options.is_set("fresh")) {
    std::optional<sim::WaveWindow> wave;
    if (options.has("wave")) wave = wave_window(options);
    const auto devices =
        wave ? console::open_traced(choice, *wave) : console::open_pool(choice, Purpose::full_cycles);
    hardware = devices->hardware();
    auto measured = host::run_network(
        *devices, network, policy, [&](double done) { bar.update(done, "of the instructions"); }, images);
    if (wave && !std::filesystem::exists(wave->file)) {
      throw InputError(fmt::format("waveform {}: the run ended before cycle {}, where it was to begin",
                                   wave->file.string(), wave->first));
    }
    return measured;
  }
  const auto store = console::open_store(options);
  host::SegmentMeter meter(console::open_pool(choice, Purpose::cycles), store.get());
  hardware = meter.hardware();
  return host::measure_network(meter, network, policy, segment_progress(bar), images);
}

}  // namespace

int measure(const console::Arguments& arguments) {
  console::Options options("measure", kAboutMeasure);
  options.text("model", "network of the zoo (bitloop info lists them) or an .onnx file");
  options.text("input", "CxHxW, size of the images (default: the network's own)");
  options.text("outputs", "", "names in an .onnx file that end the network there, separated by commas");
  options.text(
      "layer",
      "one layer instead of a model: \"conv in=CxHxW out=F kernel=K stride=S pad=P\", dwconv or linear");
  options.text("policy", "w8a8", "wXaY (uniform) or a policy.json");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
  options.integer("images-per-job", 1,
                  "images that one job takes: linear layers at the end load their weights once");
  options.flag("all-pairs", "every layer by itself at every legal pair of widths, instead of a policy");
  options.integer("out-bits", 0, "with --all-pairs: width of results (0: as wide as the layer's input)");
  options.device_options();
  options.store_option();
  options.text("energy",
               "estimate energy too: asic45_horowitz, fpga_zynq_estimate or a profile.json (docs/energy.md)");
  options.text("wave", "write an FST waveform to this file");
  options.text(
      "wave-cycles",
      "FIRST:LAST, the cycles of the waveform, from power-up; the job starts after about 50 (default: "
      "all). A cycle is two units of the file's time");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const host::Network network = chosen_network(options);
  check_combinations(options);
  Profile profile;
  if (options.has("energy")) profile = host::load_energy_profile(options.text_of("energy"));
  if (options.is_set("all-pairs")) return measure_pairs(options, format, network);
  const std::string policy_text = options.text_of("policy");
  const host::Policy policy =
      host::pinned_policy(network, host::load_policy(network, policy_text), options.words("pin", {}));
  note_raised_widths(policy_text, policy);

  host::HardwareInfo hardware;
  const host::MeasuredNetwork measured = measured_network(options, network, policy, hardware);
  if (format == console::Format::json) {
    console::print(measurement_json(hardware, network, policy_text, policy, measured, profile).dump(2) +
                   "\n");
  } else if (format == console::Format::csv) {
    console::print(counters_table(hardware, network, measured, profile, true).csv());
  } else {
    console::print(fmt::format(
        "{} at {} on {} hardware, memory {}: {} cycles, {:.3f} ms at {:.0f} MHz{}\n"
        "segments: {} measured, {} remembered\n{}\n{}",
        options.has("layer") ? options.text_of("layer") : network.name, policy_text, hardware.name,
        hardware.memory, measured.cycles(), 1e3 * static_cast<double>(measured.cycles()) / hardware.clock_hz,
        hardware.clock_hz / 1e6, images_text(measured), measured.measured,
        segments_run(measured) - measured.measured, energy_text(hardware, measured, profile),
        counters_table(hardware, network, measured, profile, false).text()));
  }
  return 0;
}

}  // namespace bitloop::cli
