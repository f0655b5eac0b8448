#include "agent/run/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>

#include "agent/run/episode_log.h"
#include "agent/run/sensitivities.h"
#include "agent/searchers/registry.h"
#include "agent/solver/knapsack.h"
#include "host/base/atomic_file.h"
#include "host/base/parallel.h"

namespace bitloop::agent {
namespace {

/// The random line must not draw the searcher's own first policies.
constexpr std::uint64_t kLineSeed = 0x9e3779b97f4a7c15;

constexpr std::string_view kDefaultHardware = "default";

/// Another line failed: this one ends too.
struct Stopped {};

/// How far all lines are, told as one.
class Progress {
 public:
  Progress(const Stage& stage, std::size_t lines) : stage_(stage), done_(lines) {
    stage_.observer(title(), 0, "");
  }
  void update(std::size_t line, double done, const std::string& note) {
    const std::lock_guard lock(mutex_);
    done_[line] = done;
    if (line == 0) note_ = note;
    stage_.observer(
        title(), std::accumulate(done_.begin(), done_.end(), 0.0) / static_cast<double>(done_.size()), note_);
  }

 private:
  [[nodiscard]] std::string title() const { return done_.size() == 1 ? stage_.config.method : "search"; }
  const Stage& stage_;
  std::mutex mutex_;
  std::vector<double> done_;
  std::string note_;  ///< of the method
};

/// One line's files and progress, told after every batch.
class Recorder {
 public:
  Recorder(const Stage& stage, std::size_t line, const std::string& name, const search::Searcher& searcher,
           Progress& progress)
      : stage_(stage),
        line_(line),
        name_(name),
        searcher_(searcher),
        progress_(progress),
        log_(line == 0 ? stage.folder.episodes() : stage.folder.line(name)) {}

  void record(const std::vector<search::Step>& steps) {
    std::vector<Episode> episodes;
    for (; recorded_ < steps.size(); ++recorded_) {
      if (steps[recorded_].answer.query.fidelity == search::Fidelity::full)
        episodes.push_back(episode(steps[recorded_]));
    }
    log_.append(episodes);
    const search::Step& last = steps.back();
    std::string note = fmt::format("{} {:.0f}/{}", name_, last.spent, stage_.config.evaluations);
    if (last.best >= 0) note += best(steps[static_cast<std::size_t>(last.best)].answer);
    progress_.update(line_, std::min(1.0, last.spent / stage_.config.evaluations), note);
  }

 private:
  Episode episode(const search::Step& step) {
    const search::Answer& answer = step.answer;
    return {.number = ++episodes_,
            .policy = policy(answer).key(),
            .accuracy = answer.accuracy(),
            .loss = answer.loss(),
            .costs = answer.costs,
            .cost_ratio = answer.costs.cycles() / stage_.problem.costs.reference().cycles(),
            .reward = searcher_.reward(answer),
            .seconds = answer.seconds,
            .remembered = answer.remembered,
            .spent = step.spent};
  }
  [[nodiscard]] host::Policy policy(const search::Answer& answer) const {
    return stage_.laboratory.policies().policy(answer.query.assignment);
  }
  /// Keeps the method's best, and says what it is.
  std::string best(const search::Answer& answer) {
    const host::Policy policy = this->policy(answer);
    if (line_ == 0 && policy.key() != written_) {
      host::write_file_atomically(stage_.folder.policy(), host::to_json(policy).dump(2) + "\n");
      written_ = policy.key();
    }
    return fmt::format(" best {:.4f} at {:.3f} ({})", answer.accuracy(),
                       answer.costs.cycles() / stage_.problem.costs.reference().cycles(), policy.key());
  }

  const Stage& stage_;
  std::size_t line_;
  std::string name_;
  const search::Searcher& searcher_;
  Progress& progress_;
  EpisodeLog log_;
  std::size_t recorded_ = 0;
  int episodes_ = 0;
  std::string written_;
};

/// The evaluator of all lines, for one whose policies cost what its own hardware says.
class OnHardware : public search::Evaluator {
 public:
  OnHardware(search::Evaluator& all, search::CostModel& costs) : all_(all), costs_(costs) {}
  std::vector<search::Answer> evaluate(std::span<const search::Query> queries) override {
    auto answers = all_.evaluate(queries);
    for (search::Answer& answer : answers) answer.costs = costs_.costs(answer.query.assignment);
    return answers;
  }
  [[nodiscard]] search::Prices prices() const override { return all_.prices(); }

 private:
  search::Evaluator& all_;
  search::CostModel& costs_;
};

/// What a line is before it runs.
struct Plan {
  std::string name;
  std::string method;
  std::optional<std::size_t> hardware{};
  std::string left_out{};  ///< why it does not run; empty: it does
};

/// Measures what a line on one hardware starts from, before threads do.
std::string reason_against(const Stage& stage, std::size_t hardware) {
  search::CostModel& costs = stage.laboratory.costs_on(hardware);
  const search::Objective& objective = stage.problem.objective;
  const search::Space& space = stage.problem.space;
  const auto lowest = search::cheapest(space, costs.local(objective.measure)).assignment;
  if (objective.fits(costs.costs(lowest))) return "";
  return fmt::format("left out: no policy keeps the budget on {}",
                     stage.laboratory.devices(hardware).hardware().name);
}

/// The configuration's method first.
std::vector<Plan> plans_of(const Stage& stage) {
  Laboratory& laboratory = stage.laboratory;
  const std::string& method = stage.config.method;
  std::vector<Plan> plans{{.name = method, .method = method}};
  const auto add_on = [&](const std::string& name, std::optional<std::size_t> hardware, const char* missing) {
    Plan plan{.name = name, .method = method, .hardware = hardware};
    plan.left_out = hardware ? reason_against(stage, *hardware) : missing;
    plans.push_back(std::move(plan));
  };
  for (const std::string& name : stage.config.lines) {
    if (name == kInTurnLine) {
      const bool choice = laboratory.hardware_count() > 1;
      add_on(name, choice ? std::optional(laboratory.cheapest_reference()) : std::nullopt,
             "left out: there is no choice of hardware");
    } else if (name == kDefaultHardwareLine) {
      std::optional<std::size_t> found;
      for (std::size_t i = 0; i < laboratory.hardware_count(); ++i)
        if (laboratory.devices(i).hardware().name == kDefaultHardware) found = i;
      add_on(name, found, "left out: it is not in the space, or does not fit");
    } else if (name != method) {
      plans.push_back({.name = name, .method = name});
    }
  }
  return plans;
}

Line run_line(const Stage& stage, std::size_t line, const Plan& plan, Progress& progress,
              const std::atomic<bool>& stopped) {
  const SearchConfig& config = stage.config;
  const std::string& name = plan.name;
  if (!plan.left_out.empty()) {
    progress.update(line, 1, "");
    return {.name = name, .steps = {}, .note = plan.left_out, .hardware = plan.hardware};
  }
  search::CostModel& costs = plan.hardware ? stage.laboratory.costs_on(*plan.hardware) : stage.problem.costs;
  OnHardware evaluator(stage.evaluator, costs);
  search::Problem problem{stage.problem.space,        costs,
                          stage.problem.objective,    stage.problem.prices,
                          stage.problem.origin,       stage.problem.supernet,
                          stage.problem.float_effects};
  problem.origin.costs = costs.costs(problem.space.highest());
  const auto searcher = search::method(plan.method)
                            .make(problem, {.evaluations = static_cast<double>(config.planned),
                                            .batch = config.batch,
                                            .seed = line == 0 ? config.seed : config.seed ^ kLineSeed,
                                            .cost_in_reward = config.cost_in_reward,
                                            .accuracy_limit = config.accuracy_limit});
  search::TrialLimits limits{.evaluations = static_cast<double>(config.evaluations)};
  if (config.episodes > 0) limits.proposals = config.episodes;
  Recorder recorder(stage, line, name, *searcher, progress);
  auto steps = search::run_trial(*searcher, evaluator, problem, limits, [&](const auto& all) {
    if (stopped) throw Stopped{};
    recorder.record(all);
  });
  progress.update(line, 1, fmt::format("{} done", name));
  return {name, std::move(steps), searcher->note(), plan.hardware};
}

}  // namespace

int Line::episodes() const {
  return static_cast<int>(std::ranges::count_if(
      steps, [](const search::Step& s) { return s.answer.query.fidelity == search::Fidelity::full; }));
}

std::vector<Line> run_lines(const Stage& stage) {
  const std::vector<Plan> plans = plans_of(stage);
  std::vector<Line> lines(plans.size());
  Progress progress(stage, plans.size());
  std::atomic<bool> stopped{false};
  // A thread for each: they wait for the evaluator nearly always.
  const int all = static_cast<int>(plans.size());
  host::parallel_for(all, all, [&](int line, int /*worker*/) {
    try {
      lines[line] = run_line(stage, static_cast<std::size_t>(line), plans[line], progress, stopped);
    } catch (const Stopped&) {  // the error of another line ends the search
    } catch (...) {
      stopped = true;
      throw;
    }
  });
  const auto probed = std::ranges::find_if(lines, [](const Line& line) {
    return std::ranges::any_of(line.steps, [](const search::Step& step) {
      return step.answer.query.fidelity == search::Fidelity::probe;
    });
  });
  if (probed != lines.end()) add_probed_losses(stage, probed->steps);
  return lines;
}

}  // namespace bitloop::agent
