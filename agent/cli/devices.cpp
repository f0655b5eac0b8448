#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/verbs.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/driver/address.h"
#include "host/driver/self_test.h"

namespace bitloop::cli {
namespace {

constexpr const char* kAboutDevices =
    R"(bitloop devices ADDRESS...: is each device alive, what is it, how far away, and does it compute right? The self-test
runs small random networks at several widths and compares every tensor, byte for byte, with the golden functions. It
overwrites the device's memory. With --compare the devices' results and counters of work must be equal, and their cycles
stand side by side: only memory may make a difference.

  bitloop devices tcp+tls://board:1234
  bitloop devices tcp://127.0.0.1:1234 uio:uio0 --format json
  bitloop devices sim tcp://127.0.0.1:1234 --compare

Exit status 1 where a device is not alive, fails, or differs.
)";

/// One test case on one device.
struct CaseRun {
  std::optional<host::TestRun> run;  ///< none where the hardware is too small for it
  std::string fault;                 ///< empty: as it should be
};

/// What was found out about one device.
struct Finding {
  std::string device;
  std::optional<host::HardwareInfo> hardware{};  ///< none: not alive
  host::Address memory_bytes = 0;
  std::optional<host::LinkSpeed> link{};
  std::vector<CaseRun> cases{};  ///< as the test cases
  std::string failure{};         ///< the first thing that went wrong, or empty

  [[nodiscard]] std::size_t passed() const {
    return static_cast<std::size_t>(
        std::count_if(cases.begin(), cases.end(), [](auto& c) { return c.run && c.fault.empty(); }));
  }
  [[nodiscard]] std::size_t ran() const {
    return static_cast<std::size_t>(std::count_if(cases.begin(), cases.end(), [](auto& c) { return c.run; }));
  }
};

/// One test case on all devices, beside the first one.
struct Comparison {
  std::string job;
  std::vector<std::string> differences{};  ///< in words
  std::vector<host::Cycles> cycles{};      ///< per device
};

using Progress = std::function<void(const std::string& note)>;

CaseRun run_case(host::Driver& driver, const host::TestCase& test, const host::HardwareInfo& own,
                 const host::HardwareInfo& compile_for) {
  CaseRun result;
  try {
    result.run = host::run_case(driver, test, compile_for);
    result.fault = host::fault_of(*result.run, test, own);
  } catch (const InputError&) {  // this hardware has too little memory on chip: no fault
  }
  return result;
}

/// `first`: the first device that is alive, whose jobs the others run too where they can; or null.
Finding examine(const std::string& text, const console::DeviceChoice& choice,
                const std::vector<host::TestCase>& tests, const host::HardwareInfo* first,
                const Progress& progress) {
  Finding finding{.device = text};
  try {
    progress("connect");
    const auto device = console::open_device(text, choice);
    host::Driver driver(*device);
    const host::HardwareInfo& own = finding.hardware.emplace(device->info());
    finding.memory_bytes = device->memory_size();
    progress("bandwidth");
    finding.link = host::measure_link(*device);
    const bool shared = first != nullptr && host::same_parameters(*first, own);
    for (const host::TestCase& test : tests) {
      progress(test.name);
      finding.cases.push_back(run_case(driver, test, own, shared ? *first : own));
      const std::string& fault = finding.cases.back().fault;
      if (!fault.empty() && finding.failure.empty()) finding.failure = test.name + ": " + fault;
    }
    if (finding.ran() == 0) finding.failure = "it is too small for every test case: nothing was tested";
  } catch (const DeviceError& error) {
    finding.failure = error.what();
  }
  return finding;
}

/// Jobs that all devices ran.
std::vector<Comparison> compare(const std::vector<Finding>& findings,
                                const std::vector<host::TestCase>& tests) {
  std::vector<Comparison> comparisons;
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const bool everywhere = std::all_of(findings.begin(), findings.end(),
                                        [&](auto& f) { return i < f.cases.size() && f.cases[i].run; });
    if (!everywhere) continue;
    Comparison comparison{.job = tests[i].name};
    const Finding& first = findings.front();
    const host::TestRun& expected = *first.cases[i].run;
    for (const Finding& other : findings) {
      const host::TestRun& run = *other.cases[i].run;
      comparison.cycles.push_back(run.measurement.cycles());
      const bool both_compute = first.hardware->computes && other.hardware->computes;
      if (both_compute && run.tensors != expected.tensors) {
        comparison.differences.push_back("outputs of " + other.device);
      }
      if (!host::same_parameters(*first.hardware, *other.hardware)) continue;
      for (const std::string& name :
           host::different_counters(expected.measurement.total, run.measurement.total)) {
        comparison.differences.push_back(fmt::format("{} of {}", name, other.device));
      }
    }
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

std::string ratio(const Comparison& comparison, std::size_t device) {
  return fmt::format("{:.3f}", static_cast<double>(comparison.cycles[device]) /
                                   static_cast<double>(comparison.cycles.front()));
}

std::string self_test_text(const Finding& finding) {
  if (finding.cases.empty()) return "-";
  std::string text = fmt::format("{} of {} passed", finding.passed(), finding.ran());
  if (!finding.hardware->computes) text += " (counters only: it does not compute)";
  return text;
}

/// A row per property; in CSV, where machines read, a row per device.
std::vector<std::pair<std::string, std::string>> properties(const Finding& finding) {
  const host::HardwareInfo none;
  const host::HardwareInfo& info = finding.hardware.value_or(none);
  const bool alive = finding.hardware.has_value();
  const auto value = [&](bool known, const std::string& text) { return known ? text : "-"; };
  const host::LinkSpeed link = finding.link.value_or(host::LinkSpeed{});
  const bool measured = finding.link.has_value();
  return {
      {"alive", alive ? "yes" : "no"},
      {"hardware", value(alive, info.name)},
      {"fingerprint", value(alive, info.fingerprint)},
      {"P", value(alive, std::to_string(info.pixels))},
      {"F", value(alive, std::to_string(info.filters))},
      {"activation rows", value(alive, std::to_string(info.activation_rows))},
      {"weight rows", value(alive, std::to_string(info.weight_rows))},
      {"parameter slots", value(alive, std::to_string(info.parameter_slots))},
      {"channel lanes", value(alive, std::to_string(info.channel_lanes))},
      {"staging words", value(alive, std::to_string(info.staging_words))},
      {"memory", value(alive, info.memory)},
      {"memory MB", value(alive, fmt::format("{:.1f}", 1e-6 * static_cast<double>(finding.memory_bytes)))},
      {"clock MHz", value(alive, fmt::format("{:.1f}", 1e-6 * info.clock_hz))},
      {"round trip us", value(measured, fmt::format("{:.1f}", link.round_trip_us))},
      {"write MB/s", value(measured, fmt::format("{:.0f}", link.write_mb_per_s))},
      {"read MB/s", value(measured, fmt::format("{:.0f}", link.read_mb_per_s))},
      {"self-test", self_test_text(finding)},
      {"failure", finding.failure.empty() ? "-" : finding.failure}};
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::vector<std::string> columns{"device"};
  for (const Finding& finding : findings) columns.push_back(finding.device);
  console::Table table(columns);
  const auto first = properties(findings.front());
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::vector<std::string> cells{first[i].first};
    for (const Finding& finding : findings) cells.push_back(properties(finding)[i].second);
    table.add_row(cells);
  }
  return table.text();
}

std::string findings_csv(const std::vector<Finding>& findings) {
  std::vector<std::string> columns{"device"};
  for (const auto& [name, value] : properties(findings.front())) columns.push_back(name);
  console::Table table(columns);
  for (const Finding& finding : findings) {
    std::vector<std::string> cells{finding.device};
    for (const auto& [name, value] : properties(finding)) cells.push_back(value);
    table.add_row(cells);
  }
  return table.csv();
}

console::Table comparison_table(const std::vector<Finding>& findings,
                                const std::vector<Comparison>& comparisons) {
  std::vector<std::string> columns{"job", "equal"};
  for (const Finding& finding : findings) columns.push_back("cycles " + finding.device);
  for (std::size_t d = 1; d < findings.size(); ++d) columns.push_back("ratio " + findings[d].device);
  columns.emplace_back("different");
  console::Table table(columns);
  for (const Comparison& comparison : comparisons) {
    std::vector<std::string> cells{comparison.job, comparison.differences.empty() ? "yes" : "no"};
    for (const host::Cycles cycles : comparison.cycles) cells.push_back(std::to_string(cycles));
    for (std::size_t d = 1; d < findings.size(); ++d) cells.push_back(ratio(comparison, d));
    cells.push_back(fmt::format("{}", fmt::join(comparison.differences, ", ")));
    table.add_row(cells);
  }
  return table;
}

nlohmann::ordered_json finding_json(const Finding& finding) {
  nlohmann::ordered_json json{{"device", finding.device}, {"alive", finding.hardware.has_value()}};
  if (!finding.failure.empty()) json["failure"] = finding.failure;
  if (!finding.hardware) return json;
  const host::HardwareInfo& info = *finding.hardware;
  json.update({{"hardware", info.name},
               {"fingerprint", info.fingerprint},
               {"pixels", info.pixels},
               {"filters", info.filters},
               {"activation_rows", info.activation_rows},
               {"weight_rows", info.weight_rows},
               {"parameter_slots", info.parameter_slots},
               {"channel_lanes", info.channel_lanes},
               {"staging_words", info.staging_words},
               {"memory", info.memory},
               {"memory_bytes", finding.memory_bytes},
               {"clock_hz", info.clock_hz},
               {"computes", info.computes}});
  if (finding.link) {
    json["round_trip_us"] = finding.link->round_trip_us;
    json["write_mb_per_s"] = finding.link->write_mb_per_s;
    json["read_mb_per_s"] = finding.link->read_mb_per_s;
  }
  json["self_test"] = {{"cases", finding.ran()}, {"passed", finding.passed()}, {"results", info.computes}};
  return json;
}

nlohmann::ordered_json comparison_json(const Comparison& comparison) {
  return {{"job", comparison.job},
          {"equal", comparison.differences.empty()},
          {"different", comparison.differences},
          {"cycles", comparison.cycles}};
}

void print(console::Format format, const std::vector<Finding>& findings, bool compared,
           const std::vector<Comparison>& comparisons) {
  if (format == console::Format::json) {
    nlohmann::ordered_json json{{"devices", nlohmann::ordered_json::array()}};
    for (const Finding& finding : findings) json["devices"].push_back(finding_json(finding));
    if (compared) json["comparison"] = nlohmann::ordered_json::array();
    for (const Comparison& comparison : comparisons)
      json["comparison"].push_back(comparison_json(comparison));
    console::print(json.dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(compared ? comparison_table(findings, comparisons).csv() : findings_csv(findings));
  } else {
    console::print(findings_text(findings));
    if (compared) console::print("\n" + comparison_table(findings, comparisons).text());
  }
}

/// As words, or with --device, as the other verbs take them.
std::vector<std::string> named_devices(const console::Options& options) {
  std::vector<std::string> texts = options.positional_words();
  if (options.given("device")) {
    if (!texts.empty()) throw InputError("devices stand behind --device or without it, not both: choose one");
    texts.push_back(options.text_of("device"));
  }
  std::vector<std::string> devices;
  for (const std::string& text : texts) {
    for (std::string& device : host::split_devices(text)) devices.push_back(std::move(device));
  }
  if (devices.empty()) {
    throw InputError("bitloop devices needs at least one device: for example tcp://127.0.0.1:1234, or sim");
  }
  return devices;
}

/// Throws where something is wrong, once it is printed.
void judge(const std::vector<Finding>& findings, bool compared, const std::vector<Comparison>& comparisons) {
  std::vector<std::string> failures;
  for (const Finding& finding : findings) {
    if (finding.failure.empty()) continue;
    const std::string place = finding.device.substr(0, finding.device.find('?'));
    const bool named = finding.failure.find(place) != std::string::npos;
    failures.push_back(named ? finding.failure : place + ": " + finding.failure);
  }
  if (!failures.empty()) {
    throw Error(fmt::format("{} of {} devices failed: {}", failures.size(), findings.size(),
                            fmt::join(failures, "; ")));
  }
  if (!compared) return;
  if (comparisons.empty()) throw Error("no job ran on every device: nothing was compared");
  for (const Comparison& comparison : comparisons) {
    if (comparison.differences.empty()) continue;
    throw Error(fmt::format("the devices differ, first in {}: {}", comparison.job,
                            fmt::join(comparison.differences, ", ")));
  }
}

}  // namespace

int devices(const console::Arguments& arguments) {
  console::Options options("devices", kAboutDevices);
  options.positional("address", "devices, as --device names them");
  options.flag("compare", "also compare two or more devices: results, counters of work, cycles side by side");
  options.device_options();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const std::vector<std::string> texts = named_devices(options);
  const auto choice = console::device_choice(options, {.device = fmt::format("{}", fmt::join(texts, ","))});
  const bool compared = options.is_set("compare");
  if (compared && texts.size() < 2) throw InputError("--compare needs two devices or more");

  const std::vector<host::TestCase> tests = host::test_cases();
  std::vector<Finding> findings;
  {
    console::LateProgressBar bar("devices");
    const double steps = static_cast<double>(texts.size()) * static_cast<double>(tests.size() + 2);
    double step = 0;
    const host::HardwareInfo* first = nullptr;
    findings.reserve(texts.size());  // `first` points into it
    for (const std::string& text : texts) {
      findings.push_back(examine(text, choice, tests, first, [&](const std::string& note) {
        bar.update(step++ / steps, text + " " + note);
      }));
      if (first == nullptr && findings.back().hardware) first = &*findings.back().hardware;
    }
  }
  const auto comparisons = compared ? compare(findings, tests) : std::vector<Comparison>{};
  print(format, findings, compared, comparisons);
  judge(findings, compared, comparisons);
  return 0;
}

}  // namespace bitloop::cli
