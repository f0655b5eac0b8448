#include "agent/learning/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/comparison/budget.h"
#include "agent/console/table.h"

namespace bitloop::learning {
namespace {

using nlohmann::ordered_json;

/// A segment is named after its layer, or after several that share it, joined by '+'.
bool names_layer(const std::string& segment, const std::string& layer) {
  return ('+' + segment + '+').find('+' + layer + '+') != std::string::npos;
}

console::Table layers_table(const ordered_json& best) {
  console::Table table({"layer", "weight bits", "input bits", "cycles"});
  const auto& layers = best["layers"];
  for (const auto& segment : best["segments"]) {
    std::string weight_bits = "-";
    std::string input_bits = "-";
    for (const auto& layer : layers) {
      if (!names_layer(segment["name"].get<std::string>(), layer["name"].get<std::string>())) continue;
      weight_bits = layer["weight_bits"].dump();
      input_bits = layer["input_bits"].dump();
    }
    table.add_row({segment["name"].get<std::string>(), weight_bits, input_bits, segment["cycles"].dump()});
  }
  return table;
}

/// What the budget limits, where that is not cycles: a column of its own.
struct Limited {
  std::string measure;
  const char* title;
  const char* field;
  double unit;
};
const Limited kLimited[] = {{"energy", "microjoules", "joules", 1e-6},
                            {"bytes", "weight kB", "weight_bytes", 1e3}};

console::Table lines_table(const ordered_json& summary) {
  const auto measure = summary["limit"]["measure"].get<std::string>();
  const auto limited = std::ranges::find(kLimited, measure, &Limited::measure);
  const bool more = limited != std::end(kLimited);
  const bool several = summary.contains("fronts");  // hardware configurations
  std::vector<std::string> columns{"policy", "cycles", "cost_ratio"};
  if (several) columns.insert(columns.begin() + 1, "hardware");
  if (more) columns.emplace_back(limited->title);
  for (const char* title :
       {"in budget", "reward split", "test split", "95 % interval", "weight:input bits per layer"})
    columns.emplace_back(title);
  console::Table table(columns);
  const auto add = [&](const ordered_json& line, const std::string& name) {
    std::vector<std::string> row{name, line["cycles"].dump(),
                                 fmt::format("{:.3f}", line["cost_ratio"].get<double>())};
    if (several) row.insert(row.begin() + 1, line["hardware"].get<std::string>());
    if (more) row.push_back(fmt::format("{:.3f}", line[limited->field].get<double>() / limited->unit));
    row.insert(row.end(),
               {line["within_budget"].get<bool>() ? "yes" : "no",
                fmt::format("{:.4f}", line["reward_accuracy"].get<double>()),
                fmt::format("{:.4f}", line["test_accuracy"].get<double>()),
                fmt::format("{:.4f}-{:.4f}", line["test_low"].get<double>(), line["test_high"].get<double>()),
                line["policy"].get<std::string>()});
    table.add_row(row);
  };
  add(summary["best"], "best (" + summary["best"]["line"].get<std::string>() + ")");
  for (const auto& line : summary["lines"]) add(line, line["line"].get<std::string>());
  return table;
}

/// "0.6"; "0.6 of bytes".
std::string budget_text(const ordered_json& limit) {
  const auto text = limit["text"].get<std::string>();
  const auto measure = limit["measure"].get<std::string>();
  return measure == "cycles" || !search::is_plain_ratio(text) ? text : text + " of " + measure;
}

std::string verdict(const ordered_json& summary) {
  std::string better;
  for (const auto& name : summary["more_accurate_within_budget"]) {
    better += (better.empty() ? "" : ", ") + name.get<std::string>();
  }
  const bool compared = std::ranges::any_of(
      summary["lines"], [&](const auto& line) { return line["line"] != summary["method"]; });
  if (!compared) return "";
  if (better.empty()) return "No line within the budget is more accurate beyond the 95 % interval.\n";
  return "More accurate within the budget, beyond the 95 % interval: " + better + ".\n";
}

/// Of a search over several hardware configurations: its front, how far each line's own reaches, and whether
/// one of its points beats one of the front's.
std::string fronts_text(const ordered_json& summary) {
  if (!summary.contains("fronts")) return "";
  console::Table points({"point", "line", "hardware", "cycles", "ms", "test split", "95 % interval"});
  std::size_t number = 0;
  for (const auto& point : summary["front"]) {
    points.add_row(
        {std::to_string(++number), point["line"].get<std::string>(), point["hardware"].get<std::string>(),
         point["cycles"].dump(),
         fmt::format("{:.3f}", 1e3 * point["cycles"].get<double>() / summary["clock_hz"].get<double>()),
         fmt::format("{:.4f}", point["test_accuracy"].get<double>()),
         fmt::format("{:.4f}-{:.4f}", point["test_low"].get<double>(), point["test_high"].get<double>())});
  }
  console::Table lines({"line", "hardware", "points", "hypervolume", "beats points"});
  for (const auto& front : summary["fronts"]) {
    std::set<int> beaten;
    for (const auto& beats : front["beats"]) beaten.insert(beats["point"].get<int>());
    lines.add_row({front["line"].get<std::string>(),
                   front.contains("hardware") ? front["hardware"].get<std::string>() : "any",
                   std::to_string(front["points"].size()),
                   fmt::format("{:.4f}", front["hypervolume"].get<double>()),
                   beaten.empty() ? "none" : fmt::format("{}", fmt::join(beaten, ", "))});
  }
  return fmt::format(
      "\nThe front: of all lines' points those that no other beats in cost and, on images that no search "
      "saw, "
      "accuracy. Each is a run of its own in points/.\n\n{}\n"
      "What each line found. Hypervolume: of all that it evaluated, on the images of the search; a point of "
      "the front "
      "is beaten where one takes no more and is more accurate on the test split, beyond the 95 % "
      "interval.\n\n{}\n",
      points.text(), lines.text());
}

}  // namespace

std::string search_report(const ordered_json& summary) {
  std::string notes;
  for (const auto& note : summary["notes"]) notes += "Note: " + note.get<std::string>() + ".\n";
  const auto& best = summary["best"];
  const auto cycles = best["cycles"].get<double>();
  return fmt::format(
      "\n{} on {}: best policy at {} cycles ({:.3f} ms at {:.0f} MHz), cost_ratio {:.3f} of budget {}, "
      "test accuracy {:.4f} (float {:.4f})\n\n{}\n{}\n{}{}{}{} evaluations in {} episodes, "
      "{} segments measured, {:.0f} s; hardware {} ({}), memory {}\n",
      summary["network"].get<std::string>(), summary["data"].get<std::string>(), best["cycles"].dump(),
      1e3 * cycles / summary["clock_hz"].get<double>(), summary["clock_hz"].get<double>() / 1e6,
      best["cost_ratio"].get<double>(), budget_text(summary["limit"]), best["test_accuracy"].get<double>(),
      summary["float_test_accuracy"].get<double>(), layers_table(best).text(), lines_table(summary).text(),
      fronts_text(summary), verdict(summary), notes,
      fmt::format("{:.4g}", summary["evaluations"].get<double>()), summary["episodes"].dump(),
      summary["measured_segments"].dump(), summary["seconds"].get<double>(),
      summary["hardware"].get<std::string>(), summary["fingerprint"].get<std::string>().substr(0, 12),
      summary["memory"].get<std::string>());
}

std::string search_csv(const ordered_json& summary) { return lines_table(summary).csv(); }

}  // namespace bitloop::learning
