#include "agent/solver/projection.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace bitloop::search {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

}  // namespace

CostOf cost_of(const Space& space, CostModel& costs, Measure measure) {
  return [&space, &costs, measure](const Assignment& assignment) {
    return space.allows(assignment) ? costs.costs(assignment)[measure] : kInfinite;
  };
}

Projection::Projection(const Space& space, CostOf cost, double limit, Assignment floor)
    : space_(space), cost_(std::move(cost)), limit_(limit), floor_(std::move(floor)) {}

Assignment Projection::in_reverse(Assignment assignment) const {
  double cost = cost_(assignment);
  for (bool saved = true; saved && cost > limit_;) {
    saved = false;
    for (int decision = space_.size() - 1; decision >= 0 && cost > limit_; --decision) {
      const Move move = step_down(assignment, decision, cost);
      if (move.choice < 0) continue;
      assignment[decision] = move.choice;
      cost = move.cost;
      saved = true;
    }
  }
  return to_floor(std::move(assignment));
}

Assignment Projection::by_effect(Assignment assignment,
                                 const std::vector<std::vector<double>>& effects) const {
  double cost = cost_(assignment);
  while (cost > limit_) {
    Move best;
    int best_decision = -1;
    double least = kInfinite;
    for (int decision = 0; decision < space_.size(); ++decision) {
      const Move move = step_down(assignment, decision, cost);
      if (move.choice < 0) continue;
      const double added = effects[decision][move.choice] - effects[decision][assignment[decision]];
      const double ratio = added / (cost - move.cost);
      if (ratio >= least) continue;
      least = ratio;
      best = move;
      best_decision = decision;
    }
    if (best_decision < 0) break;
    assignment[best_decision] = best.choice;
    cost = best.cost;
  }
  return to_floor(std::move(assignment));
}

Assignment Projection::filled(Assignment assignment, const std::vector<std::vector<double>>& effects) const {
  double cost = cost_(assignment);
  for (int decision = 0; decision >= 0;) {
    decision = -1;
    Move best;
    double most = 0;
    for (int d = 0; d < space_.size(); ++d) {
      const int current = assignment[d];
      for (int choice = 0; choice < space_.decisions[d].size(); ++choice) {
        const double taken = effects[d][current] - effects[d][choice];
        if (choice == current || !(taken > 0)) continue;
        assignment[d] = choice;
        const double candidate = cost_(assignment);
        const double ratio = candidate <= cost ? kInfinite : taken / (candidate - cost);
        if (candidate > limit_ || ratio <= most) continue;
        most = ratio;
        best = {choice, candidate};
        decision = d;
      }
      assignment[d] = current;
    }
    if (decision < 0) break;
    assignment[decision] = best.choice;
    cost = best.cost;
  }
  return assignment;
}

Projection::Move Projection::step_down(Assignment& assignment, int decision, double cost) const {
  const int current = assignment[decision];
  Move move;
  for (int choice = current - 1; choice >= 0 && move.choice < 0; --choice) {
    assignment[decision] = choice;
    const double candidate = cost_(assignment);
    if (candidate < cost) move = {choice, candidate};
  }
  assignment[decision] = current;
  return move;
}

Assignment Projection::to_floor(Assignment assignment) const {
  for (int decision = space_.size() - 1; decision >= 0; --decision) {
    if (cost_(assignment) <= limit_) break;
    assignment[decision] = floor_[decision];
  }
  return assignment;
}

Assignment random_assignment(const Space& space, std::mt19937_64& random) {
  Assignment assignment;
  for (const Decision& decision : space.decisions)
    assignment.push_back(static_cast<int>(random() % static_cast<std::uint64_t>(decision.size())));
  return assignment;
}

}  // namespace bitloop::search
