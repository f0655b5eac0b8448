#include "agent/comparison/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/searchers/registry.h"
#include "agent/solver/knapsack.h"
#include "agent/trial/trial.h"
#include "host/base/error.h"
#include "host/base/parallel.h"

namespace bitloop::search {
namespace {

using Clock = std::chrono::steady_clock;

/// Counts the time that is spent answering, so that what is left is the searcher's own.
class Timed : public Evaluator {
 public:
  explicit Timed(Evaluator& inner) : inner_(inner) {}
  std::vector<Answer> evaluate(std::span<const Query> queries) override {
    const auto start = Clock::now();
    auto answers = inner_.evaluate(queries);
    time += Clock::now() - start;
    return answers;
  }
  [[nodiscard]] Prices prices() const override { return inner_.prices(); }
  Clock::duration time{};

 private:
  Evaluator& inner_;
};

/// Counts the time that measuring takes, also another search's that this one waits for: answers that were
/// measured before are a searcher's own time.
class TimedCosts : public CostModel {
 public:
  explicit TimedCosts(CostModel& inner) : inner_(inner) {}
  Costs costs(const Assignment& assignment) override {
    const Waiting waiting(*this);
    return inner_.costs(assignment);
  }
  const LocalCosts& local(Measure measure) override {
    const Waiting waiting(*this);
    return inner_.local(measure);
  }
  LocalCosts local_around(Measure measure, const Assignment& context) override {
    const Waiting waiting(*this);
    return inner_.local_around(measure, context);
  }
  [[nodiscard]] const Costs& reference() const override { return inner_.reference(); }
  [[nodiscard]] std::size_t measured() const override { return inner_.measured(); }
  Clock::duration time{};

 private:
  /// A question: its time counts where something was measured since the last one's answer.
  class Waiting {
   public:
    explicit Waiting(TimedCosts& costs) : costs_(costs) {}
    ~Waiting() {
      const std::size_t measured = costs_.inner_.measured();
      if (measured != costs_.known_) costs_.time += Clock::now() - start_;
      costs_.known_ = measured;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    TimedCosts& costs_;
    Clock::time_point start_ = Clock::now();
  };

  CostModel& inner_;
  std::size_t known_ = inner_.measured();
};

/// Counts the time of passes: they are what the searcher pays evaluations for.
class TimedSupernet : public Supernet {
 public:
  TimedSupernet(std::unique_ptr<Supernet> inner, Clock::duration& time)
      : inner_(std::move(inner)), time_(time) {}
  Pass pass(const Mixture& mixture, double rate) override {
    const auto start = Clock::now();
    Pass pass = inner_->pass(mixture, rate);
    time_ += Clock::now() - start;
    return pass;
  }
  [[nodiscard]] double price() const override { return inner_->price(); }
  [[nodiscard]] int images() const override { return inner_->images(); }

 private:
  std::unique_ptr<Supernet> inner_;
  Clock::duration& time_;
};

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// Where the best changes, and what it is worth on the test images.
std::vector<Point> curve_of(const std::vector<Step>& steps, Task& task) {
  std::vector<Point> curve;
  int best = -1;
  for (const Step& step : steps) {
    if (step.best == best) continue;
    best = step.best;
    curve.push_back(
        {step.spent, task.test_accuracy(steps[static_cast<std::size_t>(best)].answer.query.assignment)});
  }
  return curve;
}

TrialResult result_of(const std::vector<Step>& steps, Task& task, const ComparisonSpec& spec,
                      const Budget& budget) {
  TrialResult result;
  for (const double mark : spec.marks) {
    const Step* best = best_at(steps, mark);
    result.marks.push_back({});
    if (best == nullptr) continue;
    const Answer& answer = best->answer;
    result.marks.back() = {true, task.test_accuracy(answer.query.assignment), answer.accuracy(),
                           answer.costs[budget.measure], text_of(task.space(), answer.query.assignment)};
  }
  result.curve = curve_of(steps, task);
  const auto reached =
      std::ranges::find_if(result.curve, [&](const Point& p) { return p.accuracy >= spec.target; });
  result.evaluations_to_target =
      reached == result.curve.end() ? std::numeric_limits<double>::infinity() : reached->cost;
  std::vector<Point> points;
  for (const Step& step : steps) {
    if (step.answer.query.fidelity == Fidelity::full)
      points.push_back({step.answer.costs[budget.measure], step.answer.accuracy()});
  }
  result.front = front_of(std::move(points));
  const double reference = task.costs().reference()[budget.measure];
  std::vector<Point> shares = result.front;
  for (Point& point : shares) point.cost /= reference;
  result.hypervolume = hypervolume(shares, 1);
  return result;
}

TrialResult run_one(Task& task, const ComparisonSpec& spec, const Budget& budget, const Method& method,
                    std::uint64_t seed) {
  const auto evaluator = task.evaluator(seed);
  TimedCosts costs(task.costs());
  Clock::duration passes{};
  MakeSupernet supernet;
  if (MakeSupernet make = task.supernet()) {
    supernet = [make = std::move(make), &passes](std::uint64_t images) {
      return std::make_unique<TimedSupernet>(make(images), passes);
    };
  }
  MeasureFloatEffects float_effects;
  if (MeasureFloatEffects measure = task.float_effects()) {
    float_effects = [measure = std::move(measure), &passes](std::string_view name) {
      const auto start = Clock::now();
      FloatEffects effects = measure(name);
      passes += Clock::now() - start;
      return effects;
    };
  }
  const Problem problem{task.space(),
                        costs,
                        {.measure = budget.measure, .limit = budget.limit},
                        evaluator->prices(),
                        origin_of(task.space(), task.costs(), *evaluator),
                        std::move(supernet),
                        std::move(float_effects)};
  Timed timed(*evaluator);
  costs.time = {};
  const auto start = Clock::now();
  const auto searcher =
      method.make(problem, {.evaluations = spec.marks.back(), .batch = spec.batch, .seed = seed});
  const std::vector<Step> steps =
      run_trial(*searcher, timed, problem, {.evaluations = spec.marks.back(), .proposals = spec.proposals});
  const double own = seconds(Clock::now() - start - timed.time - costs.time - passes);
  TrialResult result = result_of(steps, task, spec, budget);
  result.note = searcher->note();
  if (!steps.empty()) result.overhead = own / std::max(1.0, steps.back().spent);
  return result;
}

}  // namespace

void require_reachable(const Space& space, CostModel& costs, const Budget& budget) {
  const Solution lowest = cheapest(space, costs.local(budget.measure));
  const double cost = costs.costs(lowest.assignment)[budget.measure];
  if (cost <= budget.limit) return;
  // Rounded up, so that the budget that the message names can be reached.
  const double share = std::ceil(1000 * cost / costs.reference()[budget.measure]) / 1000;
  throw InputError(fmt::format(
      "budget {} cannot be reached by {}: the lowest reachable cost ratio is {:.3f} of {} ({:g}); "
      "give that or more",
      budget.text, space.name, share, name_of(budget.measure), cost));
}

Comparison compare(Task& task, const ComparisonSpec& spec, const ComparisonObserver& observer) {
  for (const std::string& name : spec.methods) {
    if (!method(name).needs_network || task.supernet()) continue;
    throw InputError(
        fmt::format("{} looks at the weights of a network, and a table has none: leave it out, or name "
                    "--model and --data",
                    name));
  }
  for (const Budget& budget : spec.budgets) require_reachable(task.space(), task.costs(), budget);
  Comparison comparison{task.name(), spec, {}};
  struct Job {
    const Budget& budget;
    const Method& method;
    std::uint64_t seed;
    TrialResult& result;
  };
  comparison.trials.resize(spec.budgets.size());
  std::vector<Job> jobs;
  for (std::size_t b = 0; b < spec.budgets.size(); ++b) {
    comparison.trials[b].resize(spec.methods.size());
    for (std::size_t m = 0; m < spec.methods.size(); ++m) {
      auto& results = comparison.trials[b][m];
      results.resize(static_cast<std::size_t>(spec.seeds));
      for (std::size_t s = 0; s < results.size(); ++s)
        jobs.push_back({spec.budgets[b], method(spec.methods[m]), spec.first_seed + s, results[s]});
    }
  }
  std::mutex mutex;
  int done = 0;
  host::parallel_for(static_cast<int>(jobs.size()), spec.workers, [&](int item, int /*worker*/) {
    const Job& job = jobs[static_cast<std::size_t>(item)];
    job.result = run_one(task, spec, job.budget, job.method, job.seed);
    const std::lock_guard lock(mutex);
    ++done;
    if (observer) observer(done, static_cast<int>(jobs.size()));
  });
  return comparison;
}

}  // namespace bitloop::search
