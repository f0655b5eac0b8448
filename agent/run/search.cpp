#include "agent/run/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/comparison/comparison.h"
#include "agent/console/progress.h"
#include "agent/evaluation/evaluation_pool.h"
#include "agent/run/episode_log.h"
#include "agent/run/finalists.h"
#include "agent/run/hardware_front.h"
#include "agent/run/lines.h"
#include "agent/run/sensitivities.h"
#include "agent/run/summary.h"
#include "agent/searchers/registry.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "quant/reference/integer_reference.h"
#include "quant/tensor/threads.h"

namespace bitloop::agent {

using nlohmann::ordered_json;
using Goal = search::Objective::Goal;

namespace {

struct NamedGoal {
  std::string_view name;
  Goal goal;
  std::optional<search::Measure> measure;  ///< where the name fixes it
};
constexpr NamedGoal kGoals[] = {{"accuracy", Goal::accuracy, {}},
                                {"cycles", Goal::cost, search::Measure::cycles},
                                {"energy", Goal::cost, search::Measure::energy},
                                {"size", Goal::cost, search::Measure::bytes},
                                {"pareto", Goal::pareto, {}}};

const NamedGoal& goal_of(const SearchConfig& config) {
  const auto found = std::ranges::find(kGoals, config.objective, &NamedGoal::name);
  if (found == std::end(kGoals)) {
    throw InputError(fmt::format("objective '{}' is not known: use accuracy, cycles, energy, size or pareto",
                                 config.objective));
  }
  const bool has_floor = config.accuracy_floor || config.drop;
  if (found->goal == Goal::cost && !has_floor) {
    throw InputError(
        fmt::format("--objective {0} looks for the fewest {0} above an accuracy: say which by "
                    "--accuracy-floor 0.9 or --drop 0.01",
                    config.objective));
  }
  if (found->goal != Goal::cost && has_floor) {
    throw InputError(
        "--accuracy-floor and --drop go with --objective cycles, energy or size: add one of them");
  }
  return *found;
}

search::Budget budget_of(const SearchConfig& config, const search::Costs& reference, double clock_hz) {
  const search::Measure of =
      config.budget_of == "size" ? search::Measure::bytes : search::measure_of(config.budget_of);
  search::Budget budget = search::budget_of(config.budget, reference, clock_hz, of);
  const NamedGoal& goal = goal_of(config);
  if (goal.measure && *goal.measure != budget.measure) {
    throw InputError(
        fmt::format("--objective {} and the budget {} of {} do not go together: give the budget in the "
                    "same measure (--budget-of)",
                    config.objective, config.budget, search::name_of(budget.measure)));
  }
  return budget;
}

/// What was counted for a policy, of random integers segment by segment, is what the trained ones take.
void require_same_cycles(Laboratory& laboratory, const Finalist& f) {
  host::DevicePool& devices = laboratory.devices(f.hardware);
  const quant::Split& images = laboratory.opened().data.test;
  const auto job = std::make_shared<const host::Job>(host::compile(f.model.integers, devices.hardware()));
  const auto image = std::span(images.pixels).first(static_cast<std::size_t>(job->image_shape.elements()));
  host::Cycles cycles = 0;
  devices.run([&](host::Driver& driver) {
    driver.load(job);
    cycles = driver.run(image).cycles();
  });
  if (static_cast<double>(cycles) == f.searched.costs.cycles()) return;
  throw Error(
      fmt::format("policy '{}' took {} cycles with trained integers and {:.0f} with random ones: cycles must "
                  "not depend on data; please report it",
                  f.policy.key(), cycles, f.searched.costs.cycles()));
}

/// Whoever looks for the cheapest, or for a front, is not served by a method that fills the budget.
SearchConfig checked(SearchConfig config) {
  if (goal_of(config).goal == Goal::accuracy) return config;
  std::vector<std::string> names = config.lines;
  names.push_back(config.method);
  for (const std::string& name : names) {
    if (name == kDefaultHardwareLine || name == kInTurnLine) continue;  // of the method
    if (search::method(name).most_accurate_only)
      throw InputError(
          fmt::format("{} looks for the most accurate policy within the budget, not for --objective {}: name "
                      "another method",
                      name, config.objective));
  }
  return config;
}

void require_same(std::string& stored, const std::string& now, std::string_view what) {
  if (!stored.empty() && stored != now) {
    throw InputError(
        fmt::format("the run was made with {} {}, this is {}: go on with the same build and hardware, or "
                    "start a new run",
                    what, stored, now));
  }
  stored = now;
}

/// The chosen policy, its integers, and last the summary.
void write_result(const RunFolder& folder, const Finalist& chosen, const ordered_json& summary) {
  quant::QuantizedModel model = chosen.model;
  model.seconds = 0;  // the stored integers are the same whenever the run is repeated
  quant::save_quantized(model, folder.quantized());
  host::write_file_atomically(folder.policy(), host::to_json(chosen.policy).dump(2) + "\n");
  host::write_file_atomically(folder.summary(), summary.dump(2) + "\n");
}

/// What the search saw of a point of the front.
Episode episode_of(const Stage& stage, const Finalist& f) {
  const search::Answer& answer = f.searched;
  return {.number = 1,
          .policy = f.policy.key(),
          .accuracy = answer.accuracy(),
          .loss = answer.loss(),
          .costs = answer.costs,
          .cost_ratio = answer.costs.cycles() / stage.problem.costs.reference().cycles(),
          .reward = answer.accuracy(),
          .seconds = answer.seconds,
          .spent = 1};
}

/// What a budget limits is known before what it is a share of.
search::Measure measure_of(const SearchConfig& config) {
  search::Costs any;
  any.values.fill(1);
  return budget_of(config, any, /*clock_hz=*/1).measure;
}

std::string fingerprints(Laboratory& laboratory) {
  std::string all;
  for (std::size_t i = 0; i < laboratory.hardware_count(); ++i)
    all += (i == 0 ? "" : ";") + laboratory.devices(i).hardware().fingerprint;
  return all;
}

}  // namespace

Search::Search(SearchConfig config, const std::string& version, Laboratory::Pools pools, int workers,
               std::unique_ptr<host::MeasurementStore> store, host::SegmentMeter::Progress progress)
    : config_(checked(std::move(config))),
      workers_(workers),
      laboratory_(config_.task, config_.space, std::move(pools), measure_of(config_), std::move(store),
                  std::move(progress)),
      budget_(budget_of(config_, laboratory_.costs().reference(),
                        static_cast<double>(laboratory_.devices().hardware().clock_hz))) {
  if (const auto& assumed = laboratory_.opened().assumed; !assumed.empty()) {  // from now on the run says it
    config_.task.mean = assumed.mean;
    config_.task.deviation = assumed.deviation;
  }
  search::require_reachable(laboratory_.policies().space(), laboratory_.costs(), budget_);
  require_same(config_.version, version, "version");
  require_same(config_.fingerprint, fingerprints(laboratory_), "hardware fingerprint");
}

std::vector<std::string> Search::notes() const {
  std::vector<std::string> notes;
  if (!laboratory_.opened().note.empty()) notes.push_back(laboratory_.opened().note);
  for (const std::string& refusal : laboratory_.refusals()) notes.push_back("left out: hardware " + refusal);
  return notes;
}

/// Gives the laboratory the float network that every policy starts from.
quant::FloatCheckpoint Search::open(const RunFolder& folder, std::shared_ptr<OutcomeStore> shared,
                                    const SearchObserver& observer) {
  const auto progress = [&](double done, const std::string& note) { observer("float training", done, note); };
  const Task& task = laboratory_.opened();
  const bool stored = std::filesystem::exists(folder.checkpoint());
  auto weights = stored ? quant::FloatCheckpoint::load(task.model.network, task.data, folder.checkpoint())
                        : open_weights(config_.task, task, progress);
  if (!stored) weights.save(folder.checkpoint());
  const auto warn = [](const std::string& line) { fmt::print(stderr, "bitloop: warning: {}\n", line); };
  laboratory_.open(weights, {.retraining = config_.retraining, .reward_images = config_.reward_images},
                   std::make_shared<OutcomeStore>(folder.outcomes(), warn, std::move(shared)));
  return weights;
}

search::Objective Search::objective(const search::Answer& origin) const {
  return {.goal = goal_of(config_).goal,
          .measure = budget_.measure,
          .limit = budget_.limit,
          .floor = config_.drop ? origin.accuracy() - *config_.drop : config_.accuracy_floor.value_or(0)};
}

/// About how long the search will take, if no evaluation is known yet.
std::string Search::outlook(const search::Answer& origin) const {
  const auto lines =
      1 + std::ranges::count_if(config_.lines, [&](const auto& l) { return l != config_.method; });
  const double all = static_cast<double>(config_.evaluations) * static_cast<double>(lines);
  return fmt::format("{:.4f} without a budget; {:.0f} evaluations of about {:.1f} s: {}", origin.accuracy(),
                     all, origin.seconds, console::clock_text(all * origin.seconds / workers_));
}

ordered_json Search::run(const RunFolder& folder, std::shared_ptr<OutcomeStore> shared,
                         const SearchObserver& observer) {
  const auto start = std::chrono::steady_clock::now();
  const auto weights = open(folder, std::move(shared), observer);
  const auto seed = config_.seed;
  EvaluationPool pool(laboratory_.task(), seed, workers_);
  observer("origin", 0, "");
  const search::Space& space = laboratory_.policies().space();
  const search::Answer origin = search::origin_of(space, laboratory_.costs(), pool);
  observer("origin", 1, outlook(origin));
  const search::Problem problem{space,
                                laboratory_.costs(),
                                objective(origin),
                                pool.prices(),
                                origin,
                                laboratory_.task().supernet(),
                                laboratory_.task().float_effects()};
  const Stage stage{config_, folder, laboratory_, problem, pool, workers_, observer};
  measure_sensitivities(stage);
  const std::vector<Line> lines = run_lines(stage);

  auto finalists = choose_finalists(stage, lines);
  if (finalists.empty() || lines.front().episodes() == 0) {
    throw InputError(
        fmt::format("{} proposed no policy with {} evaluations: give more --evaluations or another --method",
                    config_.method, config_.evaluations));
  }
  retrain(finalists, stage);
  finalists = best_of_lines(std::move(finalists), stage);
  const quant::Split& test = laboratory_.opened().data.test;
  for (Finalist& f : finalists) {
    require_same_cycles(laboratory_, f);
    f.test = quant::IntegerReference(f.model.integers)
                 .accuracy(test, f.model.output_scale(), quant::TorchThreads::all());
  }
  const std::size_t best = best_of_all(finalists, stage);
  const double float_accuracy = weights.accuracy(test).accuracy;
  ordered_json result = search_summary(stage, budget_, float_accuracy, finalists, best);
  result["evaluations"] = lines.front().evaluations();
  result["episodes"] = lines.front().episodes();
  result["notes"] = ordered_json::array();
  for (const Line& line : lines)
    if (!line.note.empty()) result["notes"].push_back(line.name + ": " + line.note);
  const double reached = finalists[best].retrained.accuracy();
  if (problem.objective.goal == Goal::cost && reached < problem.objective.floor) {
    result["notes"].push_back(fmt::format("no policy reached the accuracy {:.4f}: the nearest has {:.4f}",
                                          problem.objective.floor, reached));
  }
  if (config_.chooses_hardware) {
    const std::vector<std::size_t> front = front_of_all(finalists, stage);
    add_fronts(result, stage, lines, finalists, front);
    host::write_file_atomically(folder.front(), to_csv(hardware_front(stage, lines), stage));
    write_points(folder, stage, float_accuracy, finalists, front);
  }
  result["measured_segments"] = laboratory_.measured();
  result["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_result(folder, finalists[best], result);
  return result;
}

/// Each point of the front as a run of its own on its hardware, for whoever takes it to the board.
/// All of them appear at once.
void Search::write_points(const RunFolder& folder, const Stage& stage, double float_accuracy,
                          const std::vector<Finalist>& finalists,
                          const std::vector<std::size_t>& front) const {
  const std::filesystem::path unfinished = folder.path() / "points.unfinished";
  std::filesystem::remove_all(unfinished);
  for (std::size_t i = 0; i < front.size(); ++i) {
    const Finalist& f = finalists[front[i]];
    const RunFolder point(unfinished / std::to_string(i + 1));
    const host::HardwareInfo& hardware = stage.laboratory.devices(f.hardware).hardware();
    SearchConfig config = load_config(folder.config());
    config.hardware = hardware.name;
    config.fingerprint = hardware.fingerprint;
    config.chooses_hardware = false;
    config.lines.clear();
    point.create(config);
    std::filesystem::copy_file(folder.checkpoint(), point.checkpoint());
    const search::Problem& problem = stage.problem;
    const search::Problem own{problem.space, stage.laboratory.costs_on(f.hardware), problem.objective,
                              problem.prices, problem.origin};
    const Stage on_hardware{config,          point,         stage.laboratory, own,
                            stage.evaluator, stage.workers, stage.observer};
    EpisodeLog(point.episodes()).append(std::vector{episode_of(on_hardware, f)});
    ordered_json result = search_summary(on_hardware, budget_, float_accuracy, {f}, 0);
    result["evaluations"] = result["episodes"] = 1;
    result["measured_segments"] = result["seconds"] = 0;
    result["notes"] = {"a point of the front that a search over several hardware configurations found"};
    write_result(point, f, result);
  }
  std::filesystem::remove_all(folder.points());
  std::filesystem::rename(unfinished, folder.points());
}

}  // namespace bitloop::agent
