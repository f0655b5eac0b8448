#pragma once

#include <limits>
#include <span>
#include <vector>

#include "agent/solver/knapsack.h"
#include "agent/solver/layers.h"

namespace bitloop::search::solver {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A layer with all that an arc adds.
struct Step : Layer {
  std::vector<double> effect{};  ///< [choice]
};

/// A knapsack unrolled. Its numbers are rounded to multiples of a power of two so small that it changes none
/// by more than a sum of doubles would, and so large that all their sums are exact, whatever their order:
/// ties are ties. Integers stay what they are.
struct Graph {
  std::vector<Step> steps{};
  double constant = 0;       ///< cost of no arc
  double cost_rounding = 0;  ///< that a cost may differ by from the sum of its terms
  double largest_cost = 0;   ///< sizes of the sums, at most
  double largest_effect = 0;
  double effect_range = 0;  ///< that two assignments may differ by

  explicit Graph(const Knapsack& knapsack);
};

/// What solutions have to keep: the limit, and differing from those before.
struct Constraints {
  double limit = 0;
  int distance = 1;
  std::vector<Assignment> before{};
};

/// What an assignment, whole or partial, adds up to.
struct Sum {
  double effect = 0;
  double cost = 0;
};

/// Least `sum of effects + price * cost` from any state to the end.
struct ToGo {
  double price = 0;
  std::vector<std::vector<double>> effects{};  ///< [step][choice]
  std::vector<std::vector<double>> least{};    ///< [step][state]; infinite where masks leave no way

  ToGo(const Graph& graph, double price_, std::vector<std::vector<double>> effects_);
  /// Choices of the least path, in the order of steps; there is one.
  [[nodiscard]] std::vector<int> path(const Graph& graph) const;

 private:
  struct Arc {
    int choice = 0;
    double value = kInfinity;
  };
  [[nodiscard]] Arc best(const Step& step, std::size_t i, int state) const;
};

/// Bounds on what partial assignments can still become, from the Lagrangian relaxation of the constraints:
/// with multipliers of at least 0, no assignment that keeps them has less effect than effect + price * (cost
/// - limit) + sum of bonus * (distance - decisions that differ).
class Relaxation {
 public:
  /// Both outlive this.
  Relaxation(const Graph& graph, const Constraints& constraints);

  /// False where nothing keeps one of the constraints; true does not say that something keeps all.
  [[nodiscard]] bool feasible() const { return feasible_; }
  /// No assignment has less effect.
  [[nodiscard]] double lower() const { return lower_; }
  /// Effect of an assignment known to keep the constraints.
  [[nodiscard]] double incumbent() const { return incumbent_; }

  enum class Verdict { open, keeps_no_constraint, exceeds_most };
  /// Whether an assignment that begins so may keep the limit, and its effect be at most `most`. `differ`: by
  /// solution before, decisions that differ from it so far, at most the distance.
  [[nodiscard]] Verdict judge(std::size_t step, int state, const Sum& sum,
                              std::span<const std::uint16_t> differ, double most) const;

 private:
  /// A path as the relaxation sees it: by constraint (the limit, then those before) by how much it misses it.
  struct Use {
    double effect = 0;
    std::vector<double> misses{};
  };
  struct Bound {
    ToGo to_go;
    std::vector<double> bonus;  ///< of each solution before
    double rounding;            ///< more than all rounding in it
  };

  [[nodiscard]] Use use_of(const std::vector<int>& path) const;
  [[nodiscard]] double value(const Use& use) const;
  [[nodiscard]] std::vector<std::vector<double>> effects(double scale, std::span<const double> bonus) const;
  Use relax();
  void climb(std::size_t constraint);

  const Graph& graph_;
  const Constraints& constraints_;
  double limit_;
  std::vector<Use> keeping_{};       ///< of each constraint a path that keeps it best
  std::vector<double> multipliers_;  ///< of the limit, then of those before
  ToGo cheapest_;
  std::vector<Bound> bounds_{};  ///< of the last multipliers, near the best
  bool feasible_ = true;
  double lower_ = -kInfinity;
  double incumbent_ = kInfinity;
};

}  // namespace bitloop::search::solver
