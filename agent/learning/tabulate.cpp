#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>
#include <thread>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/laboratory_options.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/tables/table.h"
#include "host/base/error.h"
#include "host/base/parallel.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutTabulate =
    R"(bitloop tabulate: evaluates every policy of a space, for bitloop compare --table: searchers are then compared in
seconds. Group layers, or leave out widths, so that few thousand policies remain.

  bitloop tabulate --model lenet --group layer --retrain-epochs 1 --out lenet.json
  bitloop tabulate --model net.onnx --data cifar10:DIR --rules ends8 --group stage --widths 2,4,8 --out net.json

The same command goes on after a kill: what was evaluated is remembered. docs/tables.md defines the file.
)";

constexpr double kMostPolicies = 1e6;
constexpr std::size_t kTableFolds = 10;  ///< of the reward images
constexpr int kProbeImages = 200;
constexpr double kLossDigits = 1e6;  ///< losses are kept to a millionth: the file stays small

double rounded(double loss) { return std::round(loss * kLossDigits) / kLossDigits; }

std::vector<search::Assignment> all_of(const search::Space& space) {
  std::vector<search::Assignment> all{space.lowest()};
  while (all.back() != space.highest()) {
    search::Assignment next = all.back();
    std::size_t i = next.size() - 1;
    while (++next[i] == space.decisions[i].size()) next[i--] = 0;
    all.push_back(std::move(next));
  }
  return all;
}

std::vector<std::size_t> first_folds(std::size_t count) {
  std::vector<std::size_t> folds(count);
  std::iota(folds.begin(), folds.end(), 0);
  return folds;
}

/// Folds of the split so that `count` of them hold about `images`, all of it where that is 0 or too many.
agent::NetworkTask::Images cut(const quant::Split& split, std::size_t images, std::size_t count) {
  const std::size_t wanted = images == 0 ? split.size() : std::min(images, split.size());
  const std::size_t folds = std::max(count, count * split.size() / wanted);
  return {split, folds, first_folds(count)};
}

std::vector<search::Fold> folds_of(const agent::OutcomeStore::Entry& entry) {
  std::vector<search::Fold> folds = entry.folds;
  for (search::Fold& fold : folds) fold.loss = rounded(fold.loss);
  return folds;
}

/// "cifar10:/data/cifar" becomes "cifar10:cifar": a table says how it was made, not where.
std::string without_folders(const std::string& word) {
  const auto slash = word.rfind('/');
  if (slash == std::string::npos) return word;
  const auto colon = word.find(':');
  const std::string scheme = colon < slash ? word.substr(0, colon + 1) : "";
  return scheme + word.substr(slash + 1);
}

/// Probes of single decisions: not retrained.
search::OneAtATime probes_of(agent::NetworkTask& task) {
  const search::Space& space = task.space();
  const auto evaluator = task.evaluator(0);
  const auto loss = [&](search::Assignment assignment) {
    const search::Query query{std::move(assignment), search::Fidelity::probe, kProbeImages};
    return rounded(evaluator->evaluate(std::span(&query, 1)).front().loss());
  };
  search::OneAtATime probes{.images = kProbeImages,
                            .price = evaluator->prices().of({{}, search::Fidelity::probe, kProbeImages}),
                            .highest = loss(space.highest())};
  for (int d = 0; d < space.size(); ++d) {
    probes.losses.emplace_back();
    for (int choice = 0; choice < space.decisions[d].size(); ++choice) {
      search::Assignment assignment = space.highest();
      assignment[d] = choice;
      probes.losses.back().push_back(loss(assignment));
    }
  }
  return probes;
}

}  // namespace

int tabulate(const console::Arguments& arguments) {
  console::Options options("tabulate", kAboutTabulate);
  options.text("out", "file of the table");
  options.integer("test-images", 2000, "images of the test split (0: all)");
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "evaluations at the same time; changes no result");
  add_task_options(options);
  add_space_options(options);
  add_recipe_options(options);
  options.device_options();
  options.store_option();
  if (!options.parse(arguments)) return 0;
  const std::string out = options.required("out", "--out table.json");
  options.require_writable(out, {"model", "checkpoint"});
  const auto workers = static_cast<int>(options.integer_of("workers", 1, 1024));
  const auto test_images = static_cast<std::size_t>(options.integer_of("test-images", 0, 100'000'000));
  const auto laboratory = open_laboratory(options);
  agent::NetworkTask& task = laboratory->task();
  const search::Space& space = task.space();
  if (space.assignments() > kMostPolicies) {
    throw InputError(
        fmt::format("the space has {:.3g} policies: at most {:.0g} are tabulated; give --group block or "
                    "stage, or fewer --widths",
                    space.assignments(), kMostPolicies));
  }
  const std::vector<search::Assignment> all = all_of(space);
  std::string command = "bitloop tabulate";
  for (const std::string& word : arguments) command += " " + without_folders(word);
  search::Table table{
      .name = fmt::format("{}, {}", task.name(), laboratory->opened().data.name),
      .origin = fmt::format("{} (hardware {})", command, laboratory->devices().hardware().fingerprint),
      .space = space,
      .measures = {search::Measure::cycles, search::Measure::bytes},
      .reference = task.costs().reference()};
  table.probes = probes_of(task);
  const auto reward = cut(laboratory->opened().data.reward,
                          static_cast<std::size_t>(2 * task.recipe().reward_images), kTableFolds);
  const auto test = cut(laboratory->opened().data.test, test_images, 1);
  const agent::NetworkTask::Images images[] = {reward, test};
  console::ProgressBar bar("tabulate");
  std::mutex mutex;
  std::size_t done = 0;
  std::vector<quant::CodeMemory> memories(static_cast<std::size_t>(workers));
  host::parallel_for(static_cast<int>(all.size()), workers, [&](int item, int worker) {
    const auto entries = task.outcomes(task.policies().policy(all[item]), true, images, &memories[worker]);
    const search::Costs costs = task.costs().costs(all[item]);
    const std::lock_guard lock(mutex);
    table.rows.emplace(all[item], search::Table::Row{costs, folds_of(entries[0]), folds_of(entries[1])});
    ++done;
    bar.update(static_cast<double>(done) / static_cast<double>(all.size()),
               fmt::format("{}/{} policies", done, all.size()));
  });
  bar.finish();
  search::save_table(table, out);
  console::print(fmt::format("{}: {} policies\n", out, table.rows.size()));
  return 0;
}

}  // namespace bitloop::learning
