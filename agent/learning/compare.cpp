#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/comparison/comparison.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/compare_runs.h"
#include "agent/learning/laboratory_options.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/searchers/registry.h"
#include "agent/tables/task_file.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutCompare =
    R"(bitloop compare: search methods side by side on one task, with the same evaluations, images and budgets; means and
95 % intervals over seeds, each of which draws its own images.

  bitloop compare --table tables/lenet.json --methods ours,solver,tpe,random --seeds 40 --evaluations 80
  bitloop compare --table theirs.csv --budgets 0.4bytes --methods ours,random            a table of others
  bitloop compare --model net.onnx --data cifar10:DIR --budgets 0.2,0.3 --against ours   a network, resumable
  bitloop compare runs/demo runs/wide                                       finished searches side by side

A budget is a share of the all-8-bit network's cost (of cycles, or 0.4energy, 0.4bytes), or in units: 900000cycles,
5ms, 2mJ, 40kB. What a network's evaluations answered is remembered: the same command goes on after a kill.
)";

search::ComparisonSpec spec_from(const console::Options& options, const search::Costs& reference,
                                 double clock_hz) {
  search::ComparisonSpec spec;
  spec.methods = options.words("methods", {});
  for (const std::string& name : spec.methods) (void)search::method(name);
  for (const std::string& text : options.words("budgets", {}))
    spec.budgets.push_back(search::budget_of(text, reference, clock_hz));
  const double most = static_cast<double>(options.integer_of("evaluations", 1, 1'000'000));
  for (const double mark : {10.0, 20.0, 40.0, 80.0, 160.0})
    if (mark < most) spec.marks.push_back(mark);
  spec.marks.push_back(most);
  if (options.given("episodes"))
    spec.proposals = static_cast<int>(options.integer_of("episodes", 1, 1'000'000));
  spec.seeds = static_cast<int>(options.integer_of("seeds", 1, 10'000));
  spec.first_seed = static_cast<std::uint64_t>(options.integer_of("first-seed", 0, INT64_MAX));
  spec.batch = static_cast<int>(options.integer_of("batch", 0, 1024));
  spec.target = options.number_of("target", 0, 1);
  spec.workers = static_cast<int>(options.integer_of("workers", 1, 1024));
  spec.against = options.has("against") ? options.text_of("against") : spec.methods.front();
  console::require_name("method in --against", spec.against, spec.methods);
  if (spec.seeds < 3) {
    fmt::print(stderr, "bitloop: note: {} seed{} give no intervals and no tests: use --seeds 3 or more\n",
               spec.seeds, spec.seeds == 1 ? "" : "s");
  }
  return spec;
}

std::string percent(const search::Mean& mean) {
  if (!std::isfinite(mean.mean)) return "-";
  if (!std::isfinite(mean.low)) return fmt::format("{:.2f}", 100 * mean.mean);
  return fmt::format("{:.2f} +-{:.2f}", 100 * mean.mean, 50 * (mean.high - mean.low));
}

/// A row per budget and method: test accuracy at each number of evaluations.
console::Table table_of(const search::Comparison& comparison) {
  const search::ComparisonSpec& spec = comparison.spec;
  std::vector<std::string> columns{"budget", "method"};
  for (const double mark : spec.marks) columns.push_back(fmt::format("at {:g}", mark));
  columns.push_back(fmt::format("{} minus", spec.against));
  columns.push_back("ms/eval");
  console::Table table(columns);
  const auto accuracies = [&](const std::vector<search::TrialResult>& trials, std::size_t mark) {
    std::vector<double> values;
    for (const auto& trial : trials) values.push_back(trial.marks[mark].test_accuracy);
    return values;
  };
  const auto base =
      static_cast<std::size_t>(std::ranges::find(spec.methods, spec.against) - spec.methods.begin());
  for (std::size_t b = 0; b < spec.budgets.size(); ++b) {
    for (std::size_t m = 0; m < spec.methods.size(); ++m) {
      const auto& trials = comparison.trials[b][m];
      std::vector<std::string> row{spec.budgets[b].text, spec.methods[m]};
      for (std::size_t mark = 0; mark < spec.marks.size(); ++mark)
        row.push_back(percent(search::mean_of(accuracies(trials, mark))));
      std::vector<double> differences = accuracies(comparison.trials[b][base], spec.marks.size() - 1);
      const auto own = accuracies(trials, spec.marks.size() - 1);
      for (std::size_t s = 0; s < own.size(); ++s) differences[s] -= own[s];
      row.push_back(m == base ? "" : percent(search::mean_of(differences)));
      std::vector<double> overhead;
      for (const auto& trial : trials) overhead.push_back(1000 * trial.overhead);
      row.push_back(fmt::format("{:.1f}", search::mean_of(overhead).mean));
      table.add_row(row);
    }
  }
  return table;
}

std::vector<std::string_view> method_names() {
  std::vector<std::string_view> names;
  for (const search::Method* method : search::methods()) names.push_back(method->name);
  return names;
}

/// What methods say of their evaluations, each once.
void print_notes(const search::Comparison& comparison) {
  for (std::size_t m = 0; m < comparison.spec.methods.size(); ++m) {
    const std::string& note = comparison.trials.front()[m].front().note;
    if (!note.empty()) fmt::print(stderr, "bitloop: note: {}: {}\n", comparison.spec.methods[m], note);
  }
}

}  // namespace

int compare(const console::Arguments& arguments) {
  console::Options options("compare", kAboutCompare);
  options.positional("runs", "folders of finished searches, instead of methods on a task");
  const std::string methods = fmt::format("separated by commas, of {} (bitloop info says what they are)",
                                          fmt::join(method_names(), ", "));
  options.text("methods", "ours,solver,uniform,random", methods.c_str());
  options.text("budgets", "0.4", "separated by commas");
  options.integer("evaluations", 80, "evaluations of each method");
  options.integer("episodes", 0, "policies that each may propose, known ones included (default: any number)");
  options.integer("seeds", 5, "repetitions, each with images of its own");
  options.integer("first-seed", 1, "of them");
  options.integer("batch", 0, "queries that a method asks at once (0: its own)");
  options.text("against", "the method that the others are tested against (default: the first)");
  options.number("target", 0, "test accuracy to reach: how many evaluations it takes");
  options.text("table", "a file of bitloop tabulate, a surrogate, or a .csv of others, instead of a network");
  options.text("curves", "file for best-so-far curves and fronts, as CSV");
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "trials at the same time; changes no result");
  add_task_options(options);
  add_space_options(options);
  add_recipe_options(options);
  options.device_options();
  options.store_option();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  if (const auto runs = options.positional_words(); !runs.empty()) {
    compare_runs(runs, format);
    return 0;
  }
  std::unique_ptr<agent::Laboratory> laboratory;
  std::unique_ptr<search::Task> table;
  double clock_hz = 0;
  if (options.has("table")) {
    table = search::load_task(options.text_of("table"), [](const std::string& note) {
      fmt::print(stderr, "bitloop: note: {}\n", note);
    });
  } else {
    laboratory = open_laboratory(options);
    clock_hz = static_cast<double>(laboratory->devices().hardware().clock_hz);
  }
  search::Task& task = table ? *table : laboratory->task();
  const search::ComparisonSpec spec = spec_from(options, task.costs().reference(), clock_hz);
  console::ProgressBar bar("compare");
  const search::Comparison comparison = search::compare(task, spec, [&](int done, int all) {
    bar.update(static_cast<double>(done) / all, fmt::format("{}/{} trials", done, all));
  });
  bar.finish();
  print_notes(comparison);
  if (options.has("curves"))
    host::write_file_atomically(options.text_of("curves"), search::curves_csv(comparison));
  const console::Table shown = table_of(comparison);
  console::print(format == console::Format::json  ? search::to_json(comparison).dump(2) + "\n"
                 : format == console::Format::csv ? shown.csv()
                                                  : shown.text());
  return 0;
}

}  // namespace bitloop::learning
