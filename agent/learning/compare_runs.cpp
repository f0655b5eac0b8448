#include "agent/learning/compare_runs.h"

#include <fmt/format.h>

#include "agent/console/table.h"
#include "agent/run/run_comparison.h"
#include "host/base/error.h"

namespace bitloop::learning {
namespace {

using nlohmann::ordered_json;

std::string text(const ordered_json& value) { return value.get<std::string>(); }

console::Table runs_table(const ordered_json& comparison) {
  console::Table table({"run", "hardware", "method", "budget", "cycles", "ms", "test", "95 % interval",
                        "best policy (its line)"});
  for (const auto& run : comparison["runs"]) {
    const auto& best = run["best"];
    table.add_row(
        {text(run["run"]), text(run["hardware"]), text(run["method"]), text(run["budget"]),
         best["cycles"].dump(), fmt::format("{:.3f}", best["milliseconds"].get<double>()),
         fmt::format("{:.4f}", best["test_accuracy"].get<double>()),
         fmt::format("{:.4f}-{:.4f}", best["test_low"].get<double>(), best["test_high"].get<double>()),
         fmt::format("{} ({})", text(best["policy"]), text(best["line"]))});
  }
  return table;
}

console::Table pairs_table(const ordered_json& comparison) {
  console::Table table(
      {"best of", "against", "accuracy at equal cycles", "95 % interval", "cycles at equal accuracy"});
  for (const auto& pair : comparison["pairs"]) {
    const auto& cycles = pair["at_equal_cycles"];
    const auto& accuracy = pair["at_equal_accuracy"];
    table.add_row(
        {text(pair["run"]), text(pair["minus"]),
         cycles.is_null() ? "none is so cheap" : fmt::format("{:+.4f}", cycles["difference"].get<double>()),
         cycles.is_null()
             ? "-"
             : fmt::format("{:+.4f} to {:+.4f}", cycles["low"].get<double>(), cycles["high"].get<double>()),
         accuracy.is_null() ? "none is so accurate"
                            : fmt::format("{:.3f} times", accuracy["ratio"].get<double>())});
  }
  return table;
}

console::Table front_table(const ordered_json& comparison) {
  console::Table table({"cycles", "ms", "accuracy", "run", "line", "policy"});
  for (const auto& point : comparison["front"]) {
    table.add_row({point["cycles"].dump(), fmt::format("{:.3f}", point["milliseconds"].get<double>()),
                   fmt::format("{:.4f}", point["accuracy"].get<double>()), text(point["run"]),
                   text(point["line"]), text(point["policy"])});
  }
  return table;
}

}  // namespace

void compare_runs(const std::vector<std::string>& folders, console::Format format) {
  if (folders.size() < 2) throw InputError("compare takes two runs or more: name another folder");
  std::vector<agent::RunResult> runs;
  for (const std::string& folder : folders) runs.push_back(agent::load_result(folder));
  const ordered_json comparison = agent::compare_runs(runs);
  console::print(format == console::Format::json ? comparison.dump(2) + "\n"
                 : format == console::Format::csv
                     ? front_table(comparison).csv()
                     : fmt::format("{}\n{}\nThe front of all that was evaluated "
                                   "(accuracy on the images of the search):\n\n{}",
                                   runs_table(comparison).text(), pairs_table(comparison).text(),
                                   front_table(comparison).text()));
}

}  // namespace bitloop::learning
