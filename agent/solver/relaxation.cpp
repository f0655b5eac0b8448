#include "agent/solver/relaxation.h"

#include <algorithm>
#include <cmath>

namespace bitloop::search::solver {
namespace {

constexpr std::size_t kBounds = 8;  ///< of the last multipliers: each label is held against all

/// Rounds to multiples of a unit of which sums of up to `largest` hold less than 2^52.
class Grid {
 public:
  explicit Grid(double largest) : unit_(std::ldexp(1.0, std::ilogb(std::max(largest, 1e-290)) - 51)) {}

  [[nodiscard]] double operator()(double value) {
    const double rounded = std::nearbyint(value / unit_) * unit_;
    if (rounded != value && std::isfinite(value)) changed_ += unit_;
    return rounded;
  }
  /// More than any sum of values that were rounded here can differ by from a sum of doubles; 0 where none was
  /// changed.
  [[nodiscard]] double rounding() const { return changed_; }

 private:
  double unit_;
  double changed_ = 0;
};

double largest_size(std::span<const double> values) {
  double largest = 0;
  for (const double v : values)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  return largest;
}

}  // namespace

Graph::Graph(const Knapsack& knapsack) {
  LocalCosts costs = knapsack.costs;
  largest_cost = std::abs(costs.constant);
  for (const CostTerm& term : costs.terms) largest_cost += largest_size(term.values);
  for (const auto& effects : knapsack.effects) largest_effect += largest_size(effects);
  Grid cost_grid(largest_cost);
  Grid effect_grid(largest_effect);
  costs.constant = constant = cost_grid(costs.constant);
  for (CostTerm& term : costs.terms)
    for (double& v : term.values) v = cost_grid(v);
  cost_rounding = cost_grid.rounding();
  for (Layer& layer : unroll(knapsack.space, costs)) {
    const auto decision = static_cast<std::size_t>(layer.decision);
    Step step{std::move(layer)};
    for (const double v : knapsack.effects[decision]) step.effect.push_back(effect_grid(v));
    for (std::size_t arc = 0; arc < step.next.size(); ++arc) {
      const double effect = step.effect[arc % step.effect.size()];
      if (!std::isfinite(effect) || !std::isfinite(step.cost[arc])) step.next[arc] = kForbidden;
    }
    const auto [least, most] = std::ranges::minmax(step.effect);
    if (std::isfinite(most - least)) effect_range += most - least;
    steps.push_back(std::move(step));
  }
}

ToGo::ToGo(const Graph& graph, double price_, std::vector<std::vector<double>> effects_)
    : price(price_), effects(std::move(effects_)), least(graph.steps.size() + 1) {
  least.back() = {0};
  for (std::size_t i = graph.steps.size(); i-- > 0;) {
    const Step& step = graph.steps[i];
    least[i].resize(static_cast<std::size_t>(step.states));
    for (int state = 0; state < step.states; ++state) least[i][state] = best(step, i, state).value;
  }
}

ToGo::Arc ToGo::best(const Step& step, std::size_t i, int state) const {
  Arc best;
  const auto first = static_cast<std::size_t>(state) * step.choices;
  for (int choice = 0; choice < step.choices; ++choice) {
    const int next = step.next[first + choice];
    if (next == kForbidden) continue;
    const double value = effects[i][choice] + price * step.cost[first + choice] + least[i + 1][next];
    if (value < best.value) best = {choice, value};
  }
  return best;
}

std::vector<int> ToGo::path(const Graph& graph) const {
  std::vector<int> choices;
  int state = 0;
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    const Step& step = graph.steps[i];
    choices.push_back(best(step, i, state).choice);
    state = step.next[static_cast<std::size_t>(state) * step.choices + choices.back()];
  }
  return choices;
}

Relaxation::Relaxation(const Graph& graph, const Constraints& constraints)
    : graph_(graph),
      constraints_(constraints),
      limit_(std::min(constraints.limit, 2 * graph.largest_cost)),
      multipliers_(constraints.before.size() + 1),
      cheapest_(graph, 1, effects(0, {})) {
  feasible_ = std::isfinite(cheapest_.least[0][0]);
  if (!feasible_) return;
  keeping_.push_back(use_of(cheapest_.path(graph)));
  std::vector<double> bonus(constraints.before.size());
  for (double& b : bonus) {
    b = 1;
    keeping_.push_back(use_of(ToGo(graph, 0, effects(0, bonus)).path(graph)));
    b = 0;
  }
  for (std::size_t c = 0; c < keeping_.size(); ++c) feasible_ = feasible_ && keeping_[c].misses[c] <= 0;
  if (!feasible_) return;
  // The bound is concave in the multipliers: each in turn to its best, the newest solution's first after the
  // limit's; a few rounds come close.
  climb(0);
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds && !constraints.before.empty(); ++round)
    for (std::size_t c = multipliers_.size(); c-- > 0;) climb(c);
}

Relaxation::Verdict Relaxation::judge(std::size_t step, int state, const Sum& sum,
                                      std::span<const std::uint16_t> differ, double most) const {
  if (sum.cost + cheapest_.least[step][state] > limit_) return Verdict::keeps_no_constraint;
  for (auto bound = bounds_.rbegin(); bound != bounds_.rend(); ++bound) {
    double least = sum.effect + bound->to_go.price * (sum.cost - limit_) + bound->to_go.least[step][state];
    for (std::size_t b = 0; b < differ.size(); ++b)
      least += bound->bonus[b] * (constraints_.distance - differ[b]);
    if (least - bound->rounding > most) return Verdict::exceeds_most;
  }
  return Verdict::open;
}

Relaxation::Use Relaxation::use_of(const std::vector<int>& path) const {
  Use use;
  double cost = graph_.constant;
  std::vector<double> misses(constraints_.before.size(), constraints_.distance);
  int state = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Step& step = graph_.steps[i];
    const auto arc = static_cast<std::size_t>(state) * step.choices + path[i];
    use.effect += step.effect[path[i]];
    cost += step.cost[arc];
    state = step.next[arc];
    for (std::size_t b = 0; b < misses.size(); ++b)
      misses[b] -= constraints_.before[b][step.decision] != path[i] ? 1 : 0;
  }
  use.misses.push_back(cost - limit_);
  use.misses.insert(use.misses.end(), misses.begin(), misses.end());
  return use;
}

/// Of a path under the multipliers as they are.
double Relaxation::value(const Use& use) const {
  double value = use.effect;
  for (std::size_t c = 0; c < multipliers_.size(); ++c) value += multipliers_[c] * use.misses[c];
  return value;
}

/// `scale` of every effect, less a bonus where a choice differs from a solution before.
std::vector<std::vector<double>> Relaxation::effects(double scale, std::span<const double> bonus) const {
  std::vector<std::vector<double>> effects;
  for (const Step& step : graph_.steps) {
    std::vector<double>& of = effects.emplace_back(step.effect);
    for (int choice = 0; choice < step.choices; ++choice) {
      of[choice] = scale == 0 ? 0 : scale * of[choice];
      for (std::size_t b = 0; b < bonus.size(); ++b)
        if (constraints_.before[b][step.decision] != choice) of[choice] -= bonus[b];
    }
  }
  return effects;
}

/// Adds the bound of the multipliers as they are.
Relaxation::Use Relaxation::relax() {
  const double price = multipliers_[0];
  std::vector<double> bonus(multipliers_.begin() + 1, multipliers_.end());
  double size = graph_.largest_effect + price * graph_.largest_cost;
  for (const double b : bonus) size += b * static_cast<double>(graph_.steps.size());
  ToGo to_go(graph_, price, effects(1, bonus));
  Use use = use_of(to_go.path(graph_));
  bounds_.push_back({std::move(to_go), std::move(bonus), 1e-12 * size});
  if (bounds_.size() > kBounds) bounds_.erase(bounds_.begin());
  lower_ = std::max(lower_, value(use) - bounds_.back().rounding);
  if (std::ranges::all_of(use.misses, [](double miss) { return miss <= 0; }))
    incumbent_ = std::min(incumbent_, use.effect);
  return use;
}

/// Moves one multiplier to where the bound is greatest: where the line through the best paths on both sides
/// of its constraint touches no path below it.
void Relaxation::climb(std::size_t constraint) {
  constexpr int kMostSteps = 40;
  double& multiplier = multipliers_[constraint];
  multiplier = 0;
  Use keeps = keeping_[constraint];
  Use exceeds = relax();
  if (exceeds.misses[constraint] <= 0) return;
  for (int i = 0; i < kMostSteps; ++i) {
    multiplier = 0;
    const double rise = value(keeps) - value(exceeds);
    if (rise <= 0) return;
    multiplier = rise / (exceeds.misses[constraint] - keeps.misses[constraint]);
    const Use touched = relax();
    if (value(keeps) - value(touched) <= bounds_.back().rounding) return;
    (touched.misses[constraint] <= 0 ? keeps : exceeds) = touched;
  }
}

}  // namespace bitloop::search::solver
