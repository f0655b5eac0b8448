#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/verbs.h"
#include "agent/codesign/area_model.h"
#include "agent/codesign/synthesis.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "sim/hardware_text.h"
#include "sim/sim_device.h"

namespace bitloop::cli {
namespace {

using codesign::AreaModel;
using codesign::BlockArea;
using codesign::Chip;
using codesign::kResources;
using codesign::Resource;

constexpr const char* kAboutArea =
    R"(bitloop area: what hardware takes in an FPGA: LUTs, flip-flops, DSPs, block RAMs and levels of logic of each block,
and what share of a chip that is. By a model that was fitted to Yosys' counts of many configurations (at once);
--synthesize runs Yosys for this one (minutes), and says how far the model is off.

  bitloop area
  bitloop area --hardware zynq7020 --chip zynq7020
  bitloop area --hardware p=4,f=16,activation_rows=2048 --chip artix35t --format json
  bitloop area --hardware p=4,f=8 --synthesize
)";

/// What is to be told of one hardware.
struct Report {
  host::HardwareInfo hardware;
  std::vector<BlockArea> blocks;   ///< by Yosys where it ran, else by the model
  std::vector<BlockArea> modeled;  ///< where Yosys ran: by the model, in the order of `blocks`
  std::vector<const Chip*> chips;
};

std::string parameters_text(const host::HardwareInfo& hardware) {
  std::string text;
  for (const auto& parameter : sim::kHardwareParameters) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", parameter.name, hardware.*parameter.value);
  }
  return text;
}

/// "+1.2 %" by which the model is off; empty where there is nothing.
std::string off_text(double modeled, double measured) {
  if (measured == 0) return modeled == 0 ? "" : "new";
  return fmt::format("{:+.1f}", 100 * (modeled / measured - 1));
}

/// With the most LUTs first.
void sort(std::vector<BlockArea>& blocks) {
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const BlockArea& a, const BlockArea& b) { return a.area.lut > b.area.lut; });
}

/// The blocks of `like`, in its order; what is not among `all` is empty.
std::vector<BlockArea> in_order_of(const std::vector<BlockArea>& like, const std::vector<BlockArea>& all) {
  std::map<std::string, BlockArea> by_name;
  for (const BlockArea& block : all) by_name[block.block] = block;
  std::vector<BlockArea> ordered;
  for (const BlockArea& block : like) ordered.push_back(by_name[block.block]);
  return ordered;
}

/// One row: an amount of each resource, and where the two were compared the model's beside it.
std::vector<std::string> row(const std::string& name, const std::string& instances,
                             const codesign::Area& area, const codesign::Area* modeled,
                             const std::string& levels) {
  std::vector<std::string> cells{name, instances};
  for (const Resource& resource : kResources) {
    const double amount = area.*resource.amount;
    cells.push_back(fmt::format("{:.6g}", amount));
    if (modeled == nullptr) continue;
    const double by_model = modeled->*resource.amount;
    cells.push_back(fmt::format("{:.6g}", by_model));
    if (resource.amount == &codesign::Area::lut) cells.push_back(off_text(by_model, amount));
  }
  cells.push_back(levels);
  return cells;
}

/// A row per block, and their sum; with `shares` a row per chip, of which 1 is all.
console::Table blocks_table(const Report& report, bool shares) {
  const bool compared = !report.modeled.empty();
  std::vector<std::string> columns{"block", "instances"};
  for (const Resource& resource : kResources) {
    columns.emplace_back(resource.title);
    if (compared) columns.push_back(fmt::format("model {}", resource.title));
    if (compared && resource.amount == &codesign::Area::lut) columns.emplace_back("off %");
  }
  columns.emplace_back("levels");
  console::Table table(columns);
  int deepest = 0;
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    const BlockArea& block = report.blocks[i];
    table.add_row(row(block.block, std::to_string(block.instances), block.area,
                      compared ? &report.modeled[i].area : nullptr, std::to_string(block.levels)));
    deepest = std::max(deepest, block.levels);
  }
  const codesign::Area all = codesign::total(report.blocks);
  const codesign::Area modeled = codesign::total(report.modeled);
  table.add_row(row("total", "", all, compared ? &modeled : nullptr, std::to_string(deepest)));
  for (const Chip* chip : shares ? report.chips : std::vector<const Chip*>{}) {
    const codesign::Area by_model = codesign::share(modeled, *chip);
    table.add_row(row(fmt::format("share of {}", chip->name), "", codesign::share(all, *chip),
                      compared ? &by_model : nullptr, ""));
  }
  return table;
}

console::Table chips_table(const Report& report) {
  std::vector<std::string> columns{"share of"};
  for (const Resource& resource : kResources) columns.push_back(fmt::format("{} %", resource.title));
  columns.emplace_back("");
  console::Table table(columns);
  const codesign::Area all = codesign::total(report.blocks);
  for (const Chip* chip : report.chips) {
    std::vector<std::string> cells{chip->title};
    const codesign::Area share = codesign::share(all, *chip);
    for (const Resource& resource : kResources) {
      cells.push_back(fmt::format("{:.1f}", 100 * (share.*resource.amount)));
    }
    const auto most = codesign::largest_share(all, *chip);
    cells.push_back(codesign::fits(all, *chip) ? "fits" : fmt::format("too few {}s", most.resource->title));
    table.add_row(cells);
  }
  return table;
}

nlohmann::ordered_json report_json(const Report& report) {
  const AreaModel& model = AreaModel::committed();
  nlohmann::ordered_json json{{"hardware", report.hardware.name}};
  for (const auto& parameter : sim::kHardwareParameters) {
    json["parameters"][parameter.name] = report.hardware.*parameter.value;
  }
  json["counted_by"] = report.modeled.empty() ? "model" : "yosys";
  json["model"] = {{"tool", model.tool()},
                   {"of_this_rtl", codesign::model_is_of_rtl(report.hardware)},
                   {"beyond", model.beyond(report.hardware)},
                   {"error",
                    {{"configurations", model.deviation().configurations},
                     {"total_lut", model.deviation().total_lut},
                     {"block_lut", model.deviation().block_lut}}}};
  json["blocks"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    const BlockArea& block = report.blocks[i];
    nlohmann::ordered_json entry{{"name", block.block}, {"instances", block.instances}};
    entry.update(to_json(block.area));
    entry["levels"] = block.levels;
    if (!report.modeled.empty()) entry["by_model"] = to_json(report.modeled[i].area);
    json["blocks"].push_back(entry);
  }
  const codesign::Area all = codesign::total(report.blocks);
  json["total"] = to_json(all);
  if (!report.modeled.empty()) json["total"]["by_model"] = to_json(codesign::total(report.modeled));
  json["chips"] = nlohmann::ordered_json::array();
  for (const Chip* chip : report.chips) {
    nlohmann::ordered_json entry{
        {"name", chip->name}, {"title", chip->title}, {"share", to_json(codesign::share(all, *chip))}};
    entry["fits"] = codesign::fits(all, *chip);
    json["chips"].push_back(entry);
  }
  return json;
}

/// What to know about the numbers, in one line.
std::string source_text(const Report& report) {
  const AreaModel& model = AreaModel::committed();
  if (!report.modeled.empty()) return "counted by Yosys for this hardware, beside the model";
  return fmt::format(
      "by a model of what {} counts, which for {} configurations that it was not fitted to was off by at "
      "most "
      "{:.1f} % (LUTs of the whole) and {:.1f} % (blocks above 500 LUTs)",
      model.tool(), model.deviation().configurations, 100 * model.deviation().total_lut,
      100 * model.deviation().block_lut);
}

}  // namespace

int area(const console::Arguments& arguments) {
  console::Options options("area", kAboutArea);
  options.text("hardware", "default", "configuration (bitloop info lists them), or parameters: p=4,f=16,...");
  options.text("rtl", "", "folder of its RTL (default: the one that bitloop was built from)");
  options.text("chip",
               "share of this chip only: zynq7010, zynq7020, artix35t, artix100t, zu3eg (default: all)");
  options.flag("synthesize", "count with Yosys, and say how far the model is off (minutes)");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));

  Report report;
  report.hardware = sim::hardware_info(sim::with_rtl(options.text_of("hardware"), options.text_of("rtl")));
  if (options.has("chip")) {
    report.chips.push_back(&codesign::chip_named(options.text_of("chip")));
  } else {
    for (const Chip& chip : codesign::chips()) report.chips.push_back(&chip);
  }
  codesign::note_limits({report.hardware});
  report.blocks = AreaModel::committed().blocks(report.hardware);
  if (options.is_set("synthesize")) {
    const std::vector<BlockArea> modeled = std::move(report.blocks);
    report.blocks = codesign::synthesized(report.hardware);
    sort(report.blocks);
    report.modeled = in_order_of(report.blocks, modeled);
  }
  sort(report.blocks);

  if (format == console::Format::json) {
    console::print(report_json(report).dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(blocks_table(report, true).csv());
  } else {
    console::print(fmt::format("{} hardware: {}\n{}\n\n{}\n{}", report.hardware.name,
                               parameters_text(report.hardware), source_text(report),
                               blocks_table(report, false).text(), chips_table(report).text()));
  }
  return 0;
}

}  // namespace bitloop::cli
