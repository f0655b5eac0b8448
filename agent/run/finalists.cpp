#include "agent/run/finalists.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "agent/evaluation/retrained_or_not.h"
#include "host/base/parallel.h"

namespace bitloop::agent {
namespace {

constexpr std::size_t kFinalists = 3;  ///< of a line; design, Rulings: the end of a search
constexpr std::size_t kFront = 8;      ///< of a Pareto front

/// Distinct full answers within the limit, the best first: what the searcher holds for it, then as the
/// objective says.
std::vector<search::Answer> ranked(const Line& line, const search::Objective& objective) {
  std::vector<search::Answer> answers;
  const auto add = [&](const search::Answer& answer) {
    const auto same = [&](const search::Answer& other) { return other.query == answer.query; };
    if (std::ranges::none_of(answers, same)) answers.push_back(answer);
  };
  if (line.steps.empty()) return answers;
  if (const int best = line.steps.back().best; best >= 0)
    add(line.steps[static_cast<std::size_t>(best)].answer);
  for (const search::Step& step : line.steps)
    if (step.answer.query.fidelity == search::Fidelity::full && objective.fits(step.answer.costs))
      add(step.answer);
  if (answers.size() > 1) {
    std::stable_sort(answers.begin() + 1, answers.end(),
                     [&](const auto& a, const auto& b) { return objective.better(a, b); });
  }
  return answers;
}

/// Evenly spread over the answers that no other beats in both accuracy and cost, the dearest first.
std::vector<search::Answer> front_of(std::vector<search::Answer> answers, search::Measure measure) {
  std::ranges::stable_sort(answers, [&](const auto& a, const auto& b) {
    return std::pair(a.costs[measure], -a.accuracy()) < std::pair(b.costs[measure], -b.accuracy());
  });
  std::vector<search::Answer> front;
  for (search::Answer& answer : answers)
    if (front.empty() || answer.accuracy() > front.back().accuracy()) front.push_back(std::move(answer));
  std::vector<search::Answer> spread;
  const std::size_t count = std::min(front.size(), kFront);
  for (std::size_t i = 0; i < count; ++i)
    spread.push_back(front[front.size() - 1 - i * (front.size() - 1) / std::max<std::size_t>(1, count - 1)]);
  return spread;
}

/// Mean by which `a` is more accurate than `b` on the same images, and that mean's standard error.
std::pair<double, double> difference(const search::Answer& a, const search::Answer& b) {
  const std::size_t folds = a.folds.size();
  const auto of_fold = [&](std::size_t f) {
    const double images = a.folds[f].images;
    return (a.folds[f].correct - b.folds[f].correct) / images;
  };
  double mean = 0, squares = 0;
  for (std::size_t f = 0; f < folds; ++f) mean += of_fold(f) / static_cast<double>(folds);
  for (std::size_t f = 0; f < folds; ++f) squares += (of_fold(f) - mean) * (of_fold(f) - mean);
  if (folds < 2) return {mean, std::numeric_limits<double>::infinity()};
  return {mean, std::sqrt(squares / static_cast<double>(folds * (folds - 1)))};
}

/// Leaves out of each line who is behind on images that the search did not see: longer retraining takes
/// longer than to see that. Behind is who is less accurate than the line's best by more than the difference's
/// standard error.
void race(std::vector<std::vector<search::Answer>>& lines, const Stage& stage) {
  if (!stage.evaluator.prices().has_checks()) return;
  std::vector<search::Query> queries;
  for (const auto& answers : lines)
    for (const search::Answer& answer : answers)
      queries.push_back({answer.query.assignment, search::Fidelity::check});
  const std::vector<search::Answer> all = evaluated(stage, "finalists", queries);
  for (auto checks = all.begin(); auto& answers : lines) {
    const std::span own(checks, answers.size());
    checks += static_cast<std::ptrdiff_t>(answers.size());
    const auto best = std::ranges::max_element(own, {}, &search::Answer::accuracy);
    std::vector<search::Answer> kept;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto [behind, error] = difference(*best, own[i]);
      if (behind <= error) kept.push_back(std::move(answers[i]));
    }
    answers = std::move(kept);
  }
}

std::vector<search::Answer> finalists_of(const Line& line, const search::Objective& objective) {
  std::vector<search::Answer> answers = ranked(line, objective);
  if (objective.goal == search::Objective::Goal::pareto)
    return front_of(std::move(answers), objective.measure);
  if (answers.size() > kFinalists) answers.resize(kFinalists);
  return answers;
}

bool asks_for(const SearchConfig& config, std::string_view line) {
  return std::ranges::find(config.lines, line) != config.lines.end();
}

/// The hardware on which a policy, of the space or not, is cheapest, and its costs there.
std::pair<std::size_t, search::Costs> cheapest_for(const Stage& stage, const host::Policy& policy) {
  std::optional<std::pair<std::size_t, search::Costs>> best;
  const search::Measure measure = stage.problem.objective.measure;
  for (std::size_t i = 0; i < stage.laboratory.hardware_count(); ++i) {
    const search::Costs costs = stage.laboratory.costs(policy, i);
    if (!best ||
        std::pair(costs[measure], costs.cycles()) < std::pair(best->second[measure], best->second.cycles()))
      best.emplace(i, costs);
  }
  return *best;
}

/// w8a8, w4a4, w2a2 and w1a2, whatever rules and budget say.
std::vector<Finalist> uniform_finalists(const Stage& stage) {
  Laboratory& laboratory = stage.laboratory;
  const auto images = laboratory.task().images_of(stage.config.seed, search::Fidelity::full);
  std::vector<Finalist> finalists;
  for (const auto& [weight_bits, input_bits] : {std::pair{8, 8}, {4, 4}, {2, 2}, {1, 2}}) {
    host::Policy policy = host::uniform_policy(laboratory.network(), weight_bits, input_bits);
    const auto [hardware, costs] = cheapest_for(stage, policy);
    finalists.push_back({.line = "w" + std::to_string(weight_bits) + "a" + std::to_string(input_bits),
                         .policy = std::move(policy),
                         .hardware = hardware,
                         .searched = {.costs = costs}});
  }
  host::parallel_for(static_cast<int>(finalists.size()), stage.workers, [&](int item, int) {
    Finalist& f = finalists[static_cast<std::size_t>(item)];
    f.searched.folds = laboratory.task().outcomes(f.policy, true, std::span(&images, 1)).front().folds;
  });
  return finalists;
}

}  // namespace

std::vector<Finalist> choose_finalists(const Stage& stage, const std::vector<Line>& lines) {
  Laboratory& laboratory = stage.laboratory;
  const search::Objective& objective = stage.problem.objective;
  std::vector<std::vector<search::Answer>> best;
  for (const Line& line : lines) best.push_back(finalists_of(line, objective));
  if (objective.goal == search::Objective::Goal::accuracy) race(best, stage);
  std::vector<Finalist> finalists;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (search::Answer& answer : best[i]) {
      host::Policy policy = laboratory.policies().policy(answer.query.assignment);
      const std::size_t hardware =
          lines[i].hardware ? *lines[i].hardware : laboratory.cheapest(answer.query.assignment);
      finalists.push_back({.line = lines[i].name,
                           .policy = std::move(policy),
                           .hardware = hardware,
                           .searched = std::move(answer)});
    }
  }
  if (asks_for(stage.config, "uniform"))
    std::ranges::move(uniform_finalists(stage), std::back_inserter(finalists));
  return finalists;
}

void retrain(std::vector<Finalist>& finalists, const Stage& stage) {
  std::vector<std::size_t> distinct;
  const auto first_with = [&](const host::Policy& policy) {
    return std::ranges::find_if(finalists, [&](const Finalist& f) { return f.policy == policy; });
  };
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    if (first_with(finalists[i].policy) == finalists.begin() + static_cast<std::ptrdiff_t>(i))
      distinct.push_back(i);
  }
  const NetworkTask& task = stage.laboratory.task();
  const auto fresh = task.prices().has_checks() ? search::Fidelity::check : search::Fidelity::full;
  const auto images = task.images_of(stage.config.seed, fresh);
  std::atomic<int> done{0};
  stage.observer("final retraining", 0, "");
  host::parallel_for(static_cast<int>(distinct.size()), stage.workers, [&](int item, int worker) {
    Finalist& f = finalists[distinct[item]];
    f.model = retrained_or_not(stage.laboratory.quantizer(), f.policy, stage.config.final_retraining);
    f.retrained.folds = folds_of(f.model, images);
    ++done;
    // One thread draws; the others' progress shows at its next turn.
    if (worker == 0) stage.observer("final retraining", done / static_cast<double>(distinct.size()), "");
  });
  stage.observer("final retraining", 1, "");
  for (Finalist& f : finalists) {
    const auto same = first_with(f.policy);
    f.model = same->model;
    f.retrained = {.query = f.searched.query, .folds = same->retrained.folds, .costs = f.searched.costs};
  }
}

namespace {

/// In cost and in accuracy on images that the search did not see: a front that was chosen by the search's own
/// images holds what luck put there.
bool beats(const Finalist& a, const Finalist& b, search::Measure measure) {
  const std::pair of_a{a.searched.costs[measure], -a.retrained.accuracy()};
  const std::pair of_b{b.searched.costs[measure], -b.retrained.accuracy()};
  return of_a != of_b && of_a.first <= of_b.first && of_a.second <= of_b.second;
}

/// Those that another one of their line beats.
void drop_beaten(std::vector<Finalist>& points, search::Measure measure) {
  std::vector<bool> beaten;
  for (const Finalist& point : points) {
    beaten.push_back(std::ranges::any_of(points, [&](const Finalist& other) {
      return other.line == point.line && beats(other, point, measure);
    }));
  }
  std::size_t index = 0;
  std::erase_if(points, [&](const Finalist&) { return beaten[index++]; });
}

}  // namespace

std::vector<Finalist> best_of_lines(std::vector<Finalist> finalists, const Stage& stage) {
  if (finalists.empty()) return {};
  const search::Objective& objective = stage.problem.objective;
  const std::string method = finalists.front().line;
  std::vector<Finalist> best;
  for (Finalist& f : finalists) {
    const auto same = std::ranges::find_if(best, [&](const Finalist& b) { return b.line == f.line; });
    const bool whole_front = objective.goal == search::Objective::Goal::pareto &&
                             (f.line == method || stage.config.chooses_hardware);
    if (same == best.end() || whole_front) {
      best.push_back(std::move(f));
    } else if (objective.better(f.retrained, same->retrained)) {
      *same = std::move(f);
    }
  }
  if (objective.goal == search::Objective::Goal::pareto) drop_beaten(best, objective.measure);
  return best;
}

std::vector<std::size_t> front_of_all(const std::vector<Finalist>& finalists, const Stage& stage) {
  const search::Objective& objective = stage.problem.objective;
  std::vector<std::size_t> eligible, front;
  // A policy that costs the same on several hardware configurations is on the first, which is the smallest.
  const auto repeats = [&](std::size_t i, std::size_t other) {
    const Finalist& f = finalists[i];
    const Finalist& o = finalists[other];
    return o.policy == f.policy &&
           o.searched.costs[objective.measure] == f.searched.costs[objective.measure] &&
           std::pair(o.hardware, other) < std::pair(f.hardware, i);
  };
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    const Finalist& f = finalists[i];
    bool repeated = false;
    for (std::size_t other = 0; other < finalists.size(); ++other) repeated = repeated || repeats(i, other);
    if (!repeated && objective.fits(f.searched.costs) && stage.laboratory.policies().contains(f.policy))
      eligible.push_back(i);
  }
  for (const std::size_t i : eligible) {
    if (std::ranges::none_of(eligible, [&](std::size_t other) {
          return beats(finalists[other], finalists[i], objective.measure);
        }))
      front.push_back(i);
  }
  std::ranges::stable_sort(front, std::greater{},
                           [&](std::size_t i) { return finalists[i].searched.costs[objective.measure]; });
  return front;
}

std::size_t best_of_all(const std::vector<Finalist>& finalists, const Stage& stage) {
  const search::Objective& objective = stage.problem.objective;
  std::size_t best = 0;
  for (std::size_t i = 1; i < finalists.size(); ++i) {
    const Finalist& f = finalists[i];
    if (objective.fits(f.searched.costs) && stage.laboratory.policies().contains(f.policy) &&
        objective.better(f.retrained, finalists[best].retrained))
      best = i;
  }
  return best;
}

}  // namespace bitloop::agent
