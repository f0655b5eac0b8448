#include "agent/codesign/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <thread>

#include "agent/cli/verbs.h"
#include "agent/codesign/area_model.h"
#include "agent/codesign/spaces.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "quant/open_model.h"

namespace bitloop::cli {
namespace {

using codesign::SweepRow;

constexpr const char* kAboutSweep =
    R"(bitloop sweep: a network on many hardware configurations: cycles, measured on the RTL of each, area, energy, and which
points no other one beats. Configurations are built when they are first met, pass their self-test, and are remembered
with every measured cycle: a sweep that was stopped goes on where it was.

In a space, spaces separate parameters and commas their values; semicolons separate spaces. What stands there alone is a
configuration's name.

  bitloop sweep --model lenet --policy w8a8,w4a4 --hardware 'p=4,8 f=8,16'
  bitloop sweep --model mobilenet-v2 --policy w4a4 --hardware 'p=2,4,8 f=8,16,32;zynq7020' --chip zynq7020
  bitloop sweep --model lenet --all-pairs --hardware default,tiny --format csv
  bitloop sweep --model resnet20 --policy runs/demo/policy.json --hardware default --memory 'latency=30,60,120'
  bitloop sweep --model lenet --policy w4a4 --rtl trial        what a change of the RTL is worth, layer by layer
)";

constexpr const char* kNone = "none";

/// Uniform ones with the text that names them, or files.
std::vector<std::pair<std::string, host::Policy>> policies_of(const console::Options& options,
                                                              const host::Network& network) {
  std::vector<std::string> texts = options.words("policy", {});
  if (options.is_set("all-pairs")) {
    if (options.given("policy")) throw InputError("--all-pairs are all uniform policies: leave --policy out");
    texts.clear();
    for (const int weights : host::kWidths)
      for (const int inputs : host::kWidths) texts.push_back(fmt::format("w{}a{}", weights, inputs));
  }
  std::vector<std::pair<std::string, host::Policy>> policies;
  for (const std::string& text : texts) {
    policies.emplace_back(
        text, host::pinned_policy(network, host::load_policy(network, text), options.words("pin", {})));
  }
  if (policies.empty()) throw InputError("bitloop sweep needs --policy: for example --policy w8a8,w4a4");
  return policies;
}

codesign::SweepPlan plan_of(const console::Options& options) {
  codesign::SweepPlan plan;
  std::optional<host::Shape> image;
  if (options.has("input")) image = options.shape_of("input");
  plan.network = quant::open_model(options.required("model", "--model lenet"),
                                   {.image = image, .outputs = options.words("outputs", {})})
                     .network;
  plan.policies = policies_of(options, plan.network);
  codesign::PointLimit limit{.advice = ", or --all"};
  if (options.is_set("all")) limit = {.most = 1'000'000};
  const auto rtl = options.has("rtl") ? options.words("rtl", {}) : std::vector<std::string>{};
  plan.hardware = codesign::hardware_space("--hardware", options.text_of("hardware"), rtl, limit);
  plan.memories = codesign::memory_space("--memory", options.text_of("memory"), limit);
  if (const std::size_t points = plan.hardware.size() * plan.memories.size(); points > limit.most) {
    throw InputError(
        fmt::format("{} hardware configurations behind {} memories are {} points, more than {}: "
                    "give fewer values{}",
                    plan.hardware.size(), plan.memories.size(), points, limit.most, limit.advice));
  }
  if (options.has("chip")) plan.chip = codesign::chip_named(options.text_of("chip"));
  if (options.text_of("energy") != kNone) plan.profile = host::load_energy_profile(options.text_of("energy"));
  return plan;
}

std::string number(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

/// `all`: also columns that say the same, or nothing, in every row: for machines.
console::Table table_of(const std::vector<SweepRow>& rows, const codesign::SweepPlan& plan, bool all) {
  std::vector<std::string> columns{"hardware"};
  const bool memories = all || plan.memories.size() > 1;
  if (memories) columns.emplace_back("memory");
  columns.insert(columns.end(), {"policy", "cycles", "ms", "LUT", "FF", "DSP", "BRAM"});
  if (plan.chip) columns.push_back("of " + plan.chip->name);
  if (plan.profile) columns.emplace_back("energy uJ");
  columns.insert(columns.end(), {"achieved", "best", "not measured"});
  const bool refused =
      all || std::ranges::any_of(rows, [](const SweepRow& row) { return !row.refusal.empty(); });
  if (!refused) columns.pop_back();
  console::Table table(columns);
  for (const SweepRow& row : rows) {
    const bool measured = row.refusal.empty();
    const auto area = [&](double amount, int digits) {
      return row.area_known ? number(amount, digits) : "-";
    };
    const auto value = [&](const std::string& text) { return measured ? text : "-"; };
    std::vector<std::string> cells{row.hardware};
    if (memories) cells.push_back(row.memory);
    cells.insert(cells.end(), {row.policy, value(std::to_string(row.cycles)),
                               value(number(row.milliseconds(), 3)), area(row.area.lut, 0),
                               area(row.area.ff, 0), area(row.area.dsp, 0), area(row.area.bram, 1)});
    if (plan.chip) {
      const auto scarcest = codesign::largest_share(row.area, *plan.chip);
      cells.push_back(fmt::format("{:.0f} % {}", 100 * scarcest.share, scarcest.resource->title));
    }
    if (plan.profile) cells.push_back(value(number(1e-6 * row.energy, 1)));
    cells.push_back(value(number(row.achieved, 3)));
    cells.emplace_back(row.best ? "*" : "");
    if (refused) cells.push_back(row.refusal);
    table.add_row(cells);
  }
  return table;
}

console::Table changes_table(const std::vector<codesign::LayerChange>& changes) {
  console::Table table({"hardware", "memory", "policy", "layer", "cycles", "before", "change"});
  for (const codesign::LayerChange& change : changes) {
    const double percent = 100 * (static_cast<double>(change.after) / static_cast<double>(change.before) - 1);
    table.add_row({change.hardware, change.memory, change.policy, change.layer, std::to_string(change.after),
                   std::to_string(change.before), fmt::format("{:+.2f} %", percent)});
  }
  return table;
}

nlohmann::ordered_json sweep_json(const std::vector<SweepRow>& rows, const codesign::SweepPlan& plan,
                                  const std::vector<std::string>& measures) {
  nlohmann::ordered_json json{{"network", plan.network.name}, {"best_in", measures}};
  if (plan.chip) json["chip"] = {{"name", plan.chip->name}, {"capacity", to_json(plan.chip->capacity)}};
  if (plan.profile) {
    json["energy_profile"] = {{"name", plan.profile->name},
                              {"source", plan.profile->source},
                              {"calibrated", plan.profile->calibrated}};
  }
  json["points"] = nlohmann::ordered_json::array();
  for (const SweepRow& row : rows) {
    nlohmann::ordered_json point{{"hardware", row.hardware},
                                 {"memory", row.memory},
                                 {"policy", row.policy},
                                 {"area", row.area_known ? to_json(row.area) : nlohmann::ordered_json()}};
    if (plan.chip) point["share"] = row.share;
    if (!row.refusal.empty()) {
      point["refused"] = row.refusal;
    } else {
      point.update({{"fingerprint", row.fingerprint},
                    {"cycles", row.cycles},
                    {"milliseconds", row.milliseconds()},
                    {"achieved", row.achieved},
                    {"best", row.best}});
      if (plan.profile) point["energy_picojoules"] = row.energy;
      point["layers"] = nlohmann::ordered_json::array();
      for (const auto& [name, cycles] : row.layers)
        point["layers"].push_back({{"name", name}, {"cycles", cycles}});
    }
    json["points"].push_back(point);
  }
  if (std::ranges::any_of(plan.hardware,
                          [](const std::string& hardware) { return !sim::rtl_of(hardware).empty(); })) {
    json["changes"] = nlohmann::ordered_json::array();
    for (const codesign::LayerChange& change : codesign::rtl_changes(rows)) {
      json["changes"].push_back({{"hardware", change.hardware},
                                 {"memory", change.memory},
                                 {"policy", change.policy},
                                 {"layer", change.layer},
                                 {"cycles", change.after},
                                 {"before", change.before}});
    }
  }
  return json;
}

void print_tables(const std::vector<SweepRow>& rows, const codesign::SweepPlan& plan,
                  const std::vector<std::string>& measures) {
  console::print(fmt::format(
      "{}{}; best: no other point with this policy beats it in {}{}\n\n{}", plan.network.name,
      plan.memories.size() == 1 ? ", memory " + plan.memories.front() : "", fmt::join(measures, " and "),
      plan.profile ? fmt::format("; energy by the {} profile {}",
                                 plan.profile->calibrated ? "calibrated" : "uncalibrated", plan.profile->name)
                   : "",
      table_of(rows, plan, false).text()));
  const auto changes = codesign::rtl_changes(rows);
  if (!changes.empty()) {
    console::print(fmt::format("\nWhat other RTL changes, in total and in each layer that it changes:\n\n{}",
                               changes_table(changes).text()));
  }
}

}  // namespace

int sweep(const console::Arguments& arguments) {
  console::Options options("sweep", kAboutSweep);
  options.text("model", "network of the zoo (bitloop info lists them) or an .onnx file");
  options.text("input", "CxHxW, size of the images (default: the network's own)");
  options.text("outputs", "", "names in an .onnx file that end the network there, separated by commas");
  options.text("policy", "w8a8", "wXaY (uniform) or policy.json files, separated by commas");
  options.flag("all-pairs", "all sixteen uniform policies");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
  options.text("hardware", "default", "space of configurations: 'p=4,8 f=8,16;zynq7020'");
  options.text("memory", "ddr8", "space of memories behind them: 'ddr8;latency=30,120 outstanding=4,8'");
  options.text("rtl",
               "folders of other RTL, separated by commas, each compared with what bitloop was built from");
  options.text("chip", "FPGA whose share is told, and that points must fit (bitloop area lists them)");
  options.text("energy", "fpga_zynq_estimate", "profile of the energy estimate (docs/energy.md), or none");
  options.text("best", "time,area", "what points may be best in: time, area, energy");
  options.flag("all", fmt::format("more than {} points", codesign::kManyPoints).c_str());
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "points at the same time");
  options.store_option();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const codesign::SweepPlan plan = plan_of(options);
  const std::vector<std::string> measures =
      options.words("best", {std::begin(codesign::kSweepMeasures), std::end(codesign::kSweepMeasures)});
  if (!plan.profile && std::ranges::find(measures, "energy") != measures.end())
    throw InputError("--best energy needs a profile: give --energy fpga_zynq_estimate");

  std::vector<host::HardwareInfo> infos;
  for (const std::string& hardware : plan.hardware) infos.push_back(sim::hardware_info(hardware));
  codesign::note_limits(infos);
  const auto store = console::open_store(options);
  console::LateProgressBar bar("sweep");
  auto rows = codesign::sweep(
      plan, {.open =
                 [&](const std::string& hardware, const std::string& memory) {
                   return console::open_pool(
                       {.hardware = hardware, .memory = memory, .unchecked = options.is_set("unchecked")},
                       console::Purpose::cycles);
                 },
             .store = store.get(),
             .progress = [&](double done, const std::string& note) { bar.update(done, note); },
             .workers = static_cast<int>(options.integer_of("workers", 1, 1024))});
  codesign::mark_best(rows, measures, plan.chip.has_value());
  if (format == console::Format::json) {
    console::print(sweep_json(rows, plan, measures).dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(table_of(rows, plan, true).csv());
  } else {
    print_tables(rows, plan, measures);
  }
  return 0;
}

}  // namespace bitloop::cli
