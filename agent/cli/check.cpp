#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/cli/baseline.h"
#include "agent/cli/verbs.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/measurement/measure.h"
#include "host/network/policy.h"
#include "quant/open_model.h"

namespace bitloop::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kAboutCheck =
    R"(bitloop check: measures what a baseline file lists, and fails where a total or a layer takes other cycles than it
says: the step for a project's CI. What became faster fails too, so that the file always tells what is; --update accepts
what is measured now. Simulated is the RTL as it lies in the checkout: what differs from what was compiled in is built
first, and must pass its self-test (docs/changing_rtl.md).

  bitloop check --baseline cycles.json --update --model lenet --policy w8a8,w4a4        make it, or add to it
  bitloop check --baseline cycles.json --update --layer "conv in=64x32x32 out=64 kernel=3 stride=1 pad=1"
  bitloop check --baseline cycles.json                                                  compare
  bitloop check --baseline cycles.json --rtl trial                                      the RTL of another folder
  bitloop check --baseline cycles.json --update                                         accept
  bitloop check --baseline board.json --device tcp+tls://board:1234 --tolerance 2       a board: its DRAM varies

Exit status 1 where something differs.
)";

/// Measures workloads, each on the hardware that it names.
class Bench {
 public:
  explicit Bench(const console::Options& options)
      : choice_(console::device_choice(options)),
        simulated_(choice_.device == "sim"),
        fresh_(options.is_set("fresh")),
        store_(console::open_store(options)) {}

  /// Simulated hardware is what the workload names, in whatever words ("f=8,p=4" tells its name as p=4,f=8);
  /// any other device tells its own.
  BaselineEntry measure(const Workload& work, const host::Driver::Progress& progress) {
    const host::Network network = network_of(work);
    const host::Policy policy =
        host::pinned_policy(network, host::load_policy(network, work.policy), words(work.pin));
    Place& place = place_of(work);
    const host::HardwareInfo& hardware = place.devices->hardware();
    if (!simulated_ && !work.hardware.empty() &&
        (hardware.name != work.hardware || hardware.memory != work.memory)) {
      throw InputError(
          fmt::format("it was measured with hardware {} and memory {}, and {} has {} and {}: use a "
                      "baseline of its own",
                      work.hardware, work.memory, choice_.device, hardware.name, hardware.memory));
    }
    BaselineEntry entry = make_entry(
        work, hardware, network,
        fresh_ ? host::run_network(*place.devices, network, policy, progress)
               : host::measure_network(place.meter, network, policy, [&](double done, std::size_t all) {
                   progress(done / static_cast<double>(all));
                 }));
    if (simulated_) entry.workload.hardware = configuration_of(hardware.name);
    return entry;
  }

  /// What is measured where a workload does not name it yet.
  [[nodiscard]] const console::DeviceChoice& choice() const { return choice_; }
  [[nodiscard]] bool simulated() const { return simulated_; }

 private:
  /// Hardware and memory, and what is known of segments there.
  struct Place {
    std::shared_ptr<host::DevicePool> devices;
    host::SegmentMeter meter;
  };

  static std::vector<std::string> words(const std::string& list) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find(',', at), list.size());
      words.push_back(list.substr(at, end - at));
      at = end + 1;
    }
    return words;
  }

  /// Entries hold for any RTL: --rtl says which is compared.
  static std::string configuration_of(const std::string& hardware) { return sim::with_rtl(hardware, ""); }

  static host::Network network_of(const Workload& work) {
    if (!work.layer.empty()) return host::single_layer_network(work.layer);
    std::optional<host::Shape> image;
    if (!work.input.empty()) image = console::parse_shape("input", work.input);
    return quant::open_model(work.model, {.image = image}).network;
  }

  Place& place_of(const Workload& work) {
    console::DeviceChoice choice = choice_;
    if (simulated_) {
      choice.hardware = sim::with_rtl(work.hardware, sim::rtl_of(choice_.hardware));
      choice.memory = work.memory;
    }
    const auto key = std::pair(choice.hardware, choice.memory);
    if (const auto known = places_.find(key); known != places_.end()) return known->second;
    const auto purpose = fresh_ ? console::Purpose::full_cycles : console::Purpose::cycles;
    auto devices = console::open_pool(choice, purpose);
    return places_.emplace(key, Place{devices, host::SegmentMeter(devices, store_.get())}).first->second;
  }

  console::DeviceChoice choice_;
  bool simulated_;
  bool fresh_;
  std::unique_ptr<host::MeasurementStore> store_;
  std::map<std::pair<std::string, std::string>, Place> places_;
};

std::vector<BaselineEntry> measure_all(Bench& bench, const std::vector<Workload>& works) {
  std::vector<BaselineEntry> entries;
  console::LateProgressBar bar("check");
  for (const Workload& work : works) {
    const auto progress = [&](double part) {
      bar.update((static_cast<double>(entries.size()) + part) / static_cast<double>(works.size()),
                 work.title());
    };
    progress(0);
    try {
      entries.push_back(bench.measure(work, progress));
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}", work.title(), error.what()));
    }
  }
  return entries;
}

std::vector<Workload> workloads(const std::vector<BaselineEntry>& entries) {
  std::vector<Workload> works;
  for (const BaselineEntry& entry : entries) works.push_back(entry.workload);
  return works;
}

/// What --model or --layer asks to be added.
std::vector<Workload> asked_for(const console::Options& options, const Bench& bench) {
  std::vector<Workload> works;
  for (const std::string& policy : options.words("policy", {})) {
    Workload work{.model = options.has("model") ? options.text_of("model") : "",
                  .layer = options.has("layer") ? options.text_of("layer") : "",
                  .input = options.has("input") ? options.text_of("input") : "",
                  .policy = policy,
                  .pin = options.text_of("pin"),
                  .hardware = {},
                  .memory = {}};
    if (bench.simulated()) {
      work.hardware = sim::with_rtl(bench.choice().hardware, "");
      work.memory = bench.choice().memory;
    }
    works.push_back(std::move(work));
  }
  return works;
}

/// Options that would be ignored are refused.
void check_combinations(const console::Options& options) {
  const bool adds = options.has("model") || options.has("layer");
  if (options.has("model") && options.has("layer"))
    throw InputError("--model and --layer do not go together: choose one");
  if (options.has("layer") && options.has("input"))
    throw InputError("--input goes with --model: a layer's text has in=CxHxW");
  if (adds && !options.is_set("update"))
    throw InputError("--model and --layer say what --update adds to the baseline: give it too");
  for (const char* name : {"policy", "pin", "input", "hardware", "memory"}) {
    if (!adds && options.given(name)) {
      throw InputError(
          fmt::format("--{} goes with --update and --model or --layer: entries have their own", name));
    }
  }
  if (options.is_set("update") && options.given("tolerance"))
    throw InputError("--tolerance is for comparing: leave it out with --update");
}

int update(const console::Options& options, console::Format format, const std::filesystem::path& path) {
  const bool adds = options.has("model") || options.has("layer");
  std::vector<BaselineEntry> entries;
  if (!adds || std::filesystem::exists(path)) entries = load_baseline(path);
  Bench bench(options);
  const auto works = adds ? asked_for(options, bench) : workloads(entries);
  const auto measured = measure_all(bench, works);
  std::size_t added = 0;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < works.size(); ++i) {
    const BaselineEntry& now = measured[i];
    const auto before = adds
                            ? std::find_if(entries.begin(), entries.end(),
                                           [&](const BaselineEntry& e) { return e.workload == now.workload; })
                            : entries.begin() + static_cast<std::ptrdiff_t>(i);
    if (before == entries.end()) {
      entries.push_back(now);
      ++added;
      continue;
    }
    if (!differences(*before, now, 0).empty()) ++changed;
    *before = now;
  }
  save_baseline(entries, path);
  if (format == console::Format::json) {
    const ordered_json json{{"entries", entries.size()}, {"added", added}, {"changed", changed}};
    console::print(json.dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(fmt::format("entries,added,changed\n{},{},{}\n", entries.size(), added, changed));
  } else {
    console::print(
        fmt::format("{}: {} entries, {} added, {} changed\n", path.string(), entries.size(), added, changed));
  }
  return 0;
}

console::Table differences_table(const std::vector<Difference>& all) {
  console::Table table({"workload", "layer", "before", "now", "change %", "is"});
  const auto number = [](const std::optional<host::Cycles>& cycles) {
    return cycles ? std::to_string(*cycles) : "-";
  };
  for (const Difference& d : all) {
    table.add_row({d.workload, d.layer, number(d.before), number(d.now),
                   d.change() ? fmt::format("{:+.2f}", *d.change()) : "-", d.kind()});
  }
  return table;
}

ordered_json differences_json(const std::vector<Difference>& all) {
  ordered_json json = ordered_json::array();
  const auto number = [](const std::optional<host::Cycles>& cycles) {
    return cycles ? ordered_json(*cycles) : ordered_json();
  };
  for (const Difference& d : all) {
    json.push_back({{"workload", d.workload},
                    {"layer", d.layer},
                    {"before", number(d.before)},
                    {"now", number(d.now)},
                    {"change_percent", d.change() ? ordered_json(*d.change()) : ordered_json()},
                    {"is", d.kind()}});
  }
  return json;
}

/// "2 slower, 1 new".
std::string summary(const std::vector<Difference>& all) {
  std::vector<std::string> parts;
  for (const std::string kind : {"slower", "faster", "new", "missing"}) {
    const auto count =
        std::count_if(all.begin(), all.end(), [&](const Difference& d) { return d.kind() == kind; });
    if (count > 0) parts.push_back(fmt::format("{} {}", count, kind));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// Other hardware may well take the same cycles, so this alone is no failure.
void note_other_fingerprints(const std::vector<BaselineEntry>& before,
                             const std::vector<BaselineEntry>& now) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].fingerprint == now[i].fingerprint) continue;
    fmt::print(stderr,
               "bitloop: note: the fingerprint of {}, {} was {} and is {}: its sources, parameters or memory "
               "changed\n",
               now[i].workload.hardware, now[i].workload.memory, before[i].fingerprint, now[i].fingerprint);
    return;
  }
}

int compare(const console::Options& options, console::Format format, const std::filesystem::path& path) {
  const auto before = load_baseline(path);
  if (before.empty()) {
    throw InputError(
        fmt::format("baseline {} has no entries: add one with --update --model lenet", path.string()));
  }
  const double tolerance = options.number_of("tolerance", 0, 100);
  Bench bench(options);
  const auto now = measure_all(bench, workloads(before));
  std::vector<Difference> all;
  std::size_t figures = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto different = differences(before[i], now[i], tolerance);
    all.insert(all.end(), different.begin(), different.end());
    figures += 1 + before[i].layers.size();
  }
  if (!all.empty()) note_other_fingerprints(before, now);
  if (format == console::Format::json) {
    const ordered_json json{{"baseline", path.string()},
                            {"entries", before.size()},
                            {"figures", figures},
                            {"tolerance_percent", tolerance},
                            {"differences", differences_json(all)}};
    console::print(json.dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(differences_table(all).csv());
  } else if (all.empty()) {
    console::print(fmt::format("{}: {} figures of {} entries are as they were\n", path.string(), figures,
                               before.size()));
  } else {
    console::print(differences_table(all).text());
  }
  if (all.empty()) return 0;
  const bool slower = std::any_of(all.begin(), all.end(),
                                  [](const Difference& d) { return d.kind() != std::string("faster"); });
  throw Error(fmt::format("{} of {} figures differ from baseline {} ({}): {}", all.size(), figures,
                          path.string(), summary(all),
                          slower ? "find out why, or accept with --update" : "faster: --update accepts it"));
}

}  // namespace

int check(const console::Arguments& arguments) {
  console::Options options("check", kAboutCheck);
  options.text("baseline", "file of workloads and their cycles");
  options.flag("update", "write what is measured now into the baseline");
  options.text("model", "with --update: network to add, of the zoo or an .onnx file");
  options.text("layer", "with --update: layer to add, as bitloop measure takes it");
  options.text("input", "with --model: CxHxW, size of the images");
  options.text("policy", "w8a8", "with --model or --layer: policies, separated by commas; an entry each");
  options.text("pin", "", "with --model: layers that keep 8 bits, as bitloop measure takes them");
  options.number("tolerance", 0, "percent by which a figure may differ: for boards, whose memory varies");
  options.device_options();
  options.store_option();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const std::filesystem::path path = options.required("baseline", "--baseline cycles.json");
  check_combinations(options);
  return options.is_set("update") ? update(options, format, path) : compare(options, format, path);
}

}  // namespace bitloop::cli
