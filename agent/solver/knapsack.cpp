#include "agent/solver/knapsack.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "agent/solver/layers.h"

namespace bitloop::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Rounds values to multiples of a power of two so small that it changes none by more than a sum of doubles
/// would, and so large that all their sums are exact, whatever their order. Integers stay what they are.
class Grid {
 public:
  /// `largest`: of the sums, their size.
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

struct Sum {
  double effect = 0;
  double cost = 0;
};

/// A layer with all that an arc adds.
struct Step : Layer {
  std::vector<double> effect{};  ///< [choice]
};

struct Graph {
  std::vector<Step> steps{};
  double constant = 0;       ///< cost of no arc
  double cost_rounding = 0;  ///< that a cost may differ by from the sum of its terms
  double largest_cost = 0;   ///< sizes of the sums, at most
  double largest_effect = 0;
};

Graph graph_of(const Knapsack& knapsack) {
  Graph graph;
  LocalCosts costs = knapsack.costs;
  graph.largest_cost = std::abs(costs.constant);
  for (const CostTerm& term : costs.terms) graph.largest_cost += largest_size(term.values);
  for (const auto& effects : knapsack.effects) graph.largest_effect += largest_size(effects);
  Grid cost_grid(graph.largest_cost);
  Grid effect_grid(graph.largest_effect);
  graph.constant = cost_grid(costs.constant);
  for (CostTerm& term : costs.terms)
    for (double& v : term.values) v = cost_grid(v);
  graph.cost_rounding = cost_grid.rounding();
  for (Layer& layer : unroll(knapsack.space, costs)) {
    const auto decision = static_cast<std::size_t>(layer.decision);
    Step step{std::move(layer)};
    for (const double v : knapsack.effects[decision]) step.effect.push_back(effect_grid(v));
    for (std::size_t arc = 0; arc < step.next.size(); ++arc) {
      const double effect = step.effect[arc % step.effect.size()];
      if (!std::isfinite(effect) || !std::isfinite(step.cost[arc])) step.next[arc] = kForbidden;
    }
    graph.steps.push_back(std::move(step));
  }
  return graph;
}

/// Least `effects * effect + mu * cost` from any state to the end: [step][state], infinite where masks leave
/// no way.
struct ToGo {
  double effects = 1;
  double mu = 0;
  std::vector<std::vector<double>> least{};

  ToGo(const Graph& graph, double effects_, double mu_) : effects(effects_), mu(mu_) {
    least.resize(graph.steps.size() + 1);
    least.back() = {0};
    for (std::size_t i = graph.steps.size(); i-- > 0;) {
      const Step& step = graph.steps[i];
      least[i].resize(static_cast<std::size_t>(step.states));
      for (int state = 0; state < step.states; ++state) least[i][state] = best(step, i, state).value;
    }
  }

  struct Arc {
    int choice = 0;
    double value = kInfinity;
  };
  [[nodiscard]] Arc best(const Step& step, std::size_t i, int state) const {
    Arc best;
    const auto first = static_cast<std::size_t>(state) * step.choices;
    for (int choice = 0; choice < step.choices; ++choice) {
      const int next = step.next[first + choice];
      if (next == kForbidden) continue;
      const double value =
          effects * step.effect[choice] + mu * step.cost[first + choice] + least[i + 1][next];
      if (value < best.value) best = {choice, value};
    }
    return best;
  }

  /// Effect and cost of the path that is least; there is one.
  [[nodiscard]] Sum path(const Graph& graph) const {
    Sum sum{.cost = graph.constant};
    int state = 0;
    for (std::size_t i = 0; i < graph.steps.size(); ++i) {
      const Step& step = graph.steps[i];
      const int choice = best(step, i, state).choice;
      const auto arc = static_cast<std::size_t>(state) * step.choices + choice;
      sum.effect += step.effect[choice];
      sum.cost += step.cost[arc];
      state = step.next[arc];
    }
    return sum;
  }
};

/// Bounds on what partial assignments can still become, from the Lagrangian relaxation of the limit: for
/// every mu >= 0 the effect of an assignment that keeps it is at least its effect + mu * (its cost - limit).
class Bounds {
 public:
  Bounds(const Graph& graph, double limit)
      : limit_(std::min(limit, 2 * graph.largest_cost)), cheapest_(graph, 0, 1) {
    if (!std::isfinite(cheapest_.least[0][0])) return;
    Sum keeps = cheapest_.path(graph);
    feasible_ = keeps.cost <= limit_;
    if (!feasible_) return;
    Sum exceeds = add(graph, 0);
    if (exceeds.cost <= limit_) {
      keeps = exceeds;
    } else {
      climb(graph, keeps, exceeds);
    }
    incumbent_ = keeps.effect;
  }

  [[nodiscard]] bool feasible() const { return feasible_; }
  /// No assignment within the limit has less effect; `incumbent` is the effect of one.
  [[nodiscard]] double lower() const { return lower_; }
  [[nodiscard]] double incumbent() const { return incumbent_; }

  /// Whether an assignment that begins so may end within the limit, at an effect of at most `most`.
  enum class Verdict { open, costs_too_much, exceeds_most };
  [[nodiscard]] Verdict judge(std::size_t step, int state, const Sum& sum, double most) const {
    if (sum.cost + cheapest_.least[step][state] > limit_) return Verdict::costs_too_much;
    for (auto bound = relaxed_.rbegin(); bound != relaxed_.rend(); ++bound) {
      const double least =
          sum.effect + bound->to_go.mu * (sum.cost - limit_) + bound->to_go.least[step][state];
      if (least - bound->rounding > most) return Verdict::exceeds_most;
    }
    return Verdict::open;
  }

 private:
  static constexpr int kMostMultipliers = 40;
  struct Relaxed {
    ToGo to_go;
    double rounding;  ///< more than all rounding of a bound
  };

  Sum add(const Graph& graph, double mu) {
    relaxed_.push_back({ToGo(graph, 1, mu), 1e-12 * (graph.largest_effect + mu * graph.largest_cost)});
    const Relaxed& added = relaxed_.back();
    const double value = added.to_go.least[0][0] + mu * (graph.constant - limit_);
    lower_ = std::max(lower_, value - added.rounding);
    return added.to_go.path(graph);
  }

  /// To the multiplier of the greatest bound: it stands where the line through the best assignments on both
  /// sides of the limit touches no assignment below it.
  void climb(const Graph& graph, Sum& keeps, Sum exceeds) {
    for (int i = 0; i < kMostMultipliers && keeps.effect > exceeds.effect; ++i) {
      const double mu = (keeps.effect - exceeds.effect) / (exceeds.cost - keeps.cost);
      const Sum touched = add(graph, mu);
      const double below = keeps.effect + mu * keeps.cost - (touched.effect + mu * touched.cost);
      if (below <= relaxed_.back().rounding) break;
      (touched.cost <= limit_ ? keeps : exceeds) = touched;
    }
  }

  double limit_;
  ToGo cheapest_;
  std::vector<Relaxed> relaxed_{};  ///< the best last
  bool feasible_ = false;
  double lower_ = -kInfinity;
  double incumbent_ = kInfinity;
};

/// The choices of the first decisions of the order.
struct Label {
  Sum sum{};
  int state = 0;
  int choice = 0;   ///< of the last of them
  int parent = -1;  ///< that without it
};

/// Labels of all steps at effects of at most `most`: those that no other of their state, at least as good in
/// effect and cost, makes superfluous.
class Labels {
 public:
  Labels(const Graph& graph, const Bounds& bounds, int count, double most)
      : graph_(graph), bounds_(bounds), count_(static_cast<std::size_t>(count)), most_(most) {
    reached_.push_back({Label{.sum = {.cost = graph.constant}}});
    for (std::size_t i = 0; i < graph.steps.size(); ++i) extend(i);
    std::ranges::sort(reached_.back(), [&](const Label& a, const Label& b) {
      if (a.sum.effect != b.sum.effect) return a.sum.effect < b.sum.effect;
      if (a.sum.cost != b.sum.cost) return a.sum.cost < b.sum.cost;
      return earlier(a, b);
    });
  }

  /// Of whole assignments, best first.
  [[nodiscard]] const std::vector<Label>& whole() const { return reached_.back(); }
  /// No assignment is missing because of `most`.
  [[nodiscard]] bool complete() const { return complete_; }

  [[nodiscard]] Assignment assignment(const Label& label) const {
    Assignment assignment(graph_.steps.size());
    const Label* at = &label;
    for (std::size_t i = graph_.steps.size(); i-- > 0; at = &reached_[i][at->parent])
      assignment[graph_.steps[i].decision] = at->choice;
    return assignment;
  }

 private:
  void extend(std::size_t i) {
    const Step& step = graph_.steps[i];
    std::vector<Label> labels;
    for (std::size_t parent = 0; parent < reached_[i].size(); ++parent) {
      const Label& label = reached_[i][parent];
      const auto first = static_cast<std::size_t>(label.state) * step.choices;
      for (int choice = 0; choice < step.choices; ++choice) {
        const int next = step.next[first + choice];
        if (next == kForbidden) continue;
        const Sum sum{label.sum.effect + step.effect[choice], label.sum.cost + step.cost[first + choice]};
        const Bounds::Verdict verdict = bounds_.judge(i + 1, next, sum, most_);
        if (verdict == Bounds::Verdict::exceeds_most) complete_ = false;
        if (verdict != Bounds::Verdict::open) continue;
        labels.push_back({sum, next, choice, static_cast<int>(parent)});
      }
    }
    thin_out(labels);
    reached_.push_back(std::move(labels));
  }

  /// Drops a label where `count` others of its state come before it with any completion: at most its effect
  /// and cost, of equals the assignment that comes first.
  void thin_out(std::vector<Label>& labels) const {
    std::ranges::sort(labels, [&](const Label& a, const Label& b) {
      if (a.state != b.state) return a.state < b.state;
      if (a.sum.cost != b.sum.cost) return a.sum.cost < b.sum.cost;
      if (a.sum.effect != b.sum.effect) return a.sum.effect < b.sum.effect;
      return earlier(a, b);
    });
    int state = -1;
    std::vector<double>
        least;  // effects of those before, a heap with the greatest of the `count` least on top
    std::erase_if(labels, [&](const Label& label) {
      if (label.state != state) least.clear();
      state = label.state;
      if (least.size() == count_) {
        if (least.front() <= label.sum.effect) return true;
        std::ranges::pop_heap(least);
        least.pop_back();
      }
      least.push_back(label.sum.effect);
      std::ranges::push_heap(least);
      return false;
    });
  }

  /// In lexicographic order of the space's decisions; of labels after as many steps as there are now.
  [[nodiscard]] bool earlier(const Label& a, const Label& b) const {
    const Label* left = &a;
    const Label* right = &b;
    int first = std::numeric_limits<int>::max();
    bool is_earlier = false;
    for (std::size_t i = depth(); i-- > 0;) {
      const int decision = graph_.steps[i].decision;
      if (left->choice != right->choice && decision < first) {
        first = decision;
        is_earlier = left->choice < right->choice;
      }
      if (left->parent == right->parent) break;
      left = &reached_[i][left->parent];
      right = &reached_[i][right->parent];
    }
    return is_earlier;
  }
  /// Steps that the labels in hand have behind them.
  [[nodiscard]] std::size_t depth() const { return std::min(reached_.size(), graph_.steps.size()); }

  const Graph& graph_;
  const Bounds& bounds_;
  std::size_t count_;
  double most_;
  bool complete_ = true;
  std::vector<std::vector<Label>> reached_{};  ///< [steps behind them]
};

/// What the effects of one assignment and another can differ by.
double range_of(const Graph& graph) {
  double range = 0;
  for (const Step& step : graph.steps) {
    const auto [least, most] = std::ranges::minmax(step.effect);
    if (std::isfinite(most - least)) range += most - least;
  }
  return range;
}

std::vector<Solution> solutions_of(const Knapsack& knapsack, const Labels& labels, std::size_t count) {
  std::vector<Solution> solutions;
  for (const Label& label : labels.whole()) {
    if (solutions.size() == count) break;
    Solution solution{.assignment = labels.assignment(label)};
    for (std::size_t d = 0; d < solution.assignment.size(); ++d)
      solution.effect += knapsack.effects[d][static_cast<std::size_t>(solution.assignment[d])];
    solution.cost = knapsack.costs(knapsack.space, solution.assignment);
    solutions.push_back(std::move(solution));
  }
  return solutions;
}

/// Labels are set forward along the layers, and dropped where another makes them superfluous, where nothing
/// completes them within the limit, or where every completion has more effect than allowed. What is allowed
/// starts a little above the Lagrangian bound and grows until enough solutions are within it: then no other
/// assignment is better, and labels far from the optimum were never made.
std::vector<Solution> solve(const Knapsack& knapsack, const Graph& graph, double limit, std::size_t count) {
  const Bounds bounds(graph, limit);
  if (!bounds.feasible()) return {};
  double margin = std::max((bounds.incumbent() - bounds.lower()) / 64, 1e-6 * range_of(graph));
  double known = count == 1 ? bounds.incumbent() : kInfinity;  // so many solutions are within it
  for (;; margin *= 4) {
    const double most = std::min(bounds.lower() + margin, known);
    const Labels labels(graph, bounds, count, most);
    const bool enough = labels.whole().size() >= count;
    if (labels.complete() || (enough && labels.whole()[count - 1].sum.effect <= most))
      return solutions_of(knapsack, labels, count);
    if (enough) known = std::min(known, labels.whole()[count - 1].sum.effect);
  }
}

}  // namespace

std::vector<Solution> solve(const Knapsack& knapsack, const SolverOptions& options) {
  const Graph graph = graph_of(knapsack);
  const auto count = static_cast<std::size_t>(options.count);
  const auto keeps = [&](const Solution& solution) { return solution.cost <= knapsack.limit; };
  std::vector<Solution> solutions = solve(knapsack, graph, knapsack.limit + graph.cost_rounding, count);
  if (std::ranges::all_of(solutions, keeps)) return solutions;
  return solve(knapsack, graph, knapsack.limit - graph.cost_rounding, count);
}

Solution cheapest(const Space& space, const LocalCosts& costs) {
  Knapsack knapsack{space, costs, {}, kInfinity};
  for (const Decision& decision : space.decisions)
    knapsack.effects.emplace_back(static_cast<std::size_t>(decision.size()), 0.0);
  const std::vector<Solution> solutions = solve(knapsack);
  return solutions.empty() ? Solution{} : solutions.front();
}

}  // namespace bitloop::search
