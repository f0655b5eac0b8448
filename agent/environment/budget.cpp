#include "agent/environment/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.h"

namespace bitloop::agent {
namespace {

std::vector<int> reverse_order(const SearchSpace& space) {
  std::vector<int> order;
  const auto add = [&](int decision) {
    if (decision >= 0 && std::find(order.begin(), order.end(), decision) == order.end())
      order.push_back(decision);
  };
  for (int row = space.rows() - 1; row >= 0; --row) {
    add(space.input_decision(row));
    add(space.weight_decision(row));
  }
  return order;
}

}  // namespace

BudgetProjection::BudgetProjection(const SearchSpace& space, CycleSource& source, double budget)
    : space_(space),
      source_(source),
      budget_(budget),
      reference_(source.cycles(host::uniform_policy(space.network(), 8, 8))),
      limit_(static_cast<host::Cycles>(std::floor(budget * static_cast<double>(reference_)))),
      order_(reverse_order(space)),
      floor_(space.lowest()) {
  if (cycles(floor_) > limit_) find_floor();
  if (cycles(floor_) <= limit_) return;
  // Rounded up, so that the budget that the message names can be reached.
  throw InputError(
      fmt::format("budget {} cannot be reached by {}: the lowest reachable cost ratio is {:.3f}; give "
                  "--budget {:.3f} or more",
                  budget_, space_.network().name, std::ceil(lowest_ratio() * 1000) / 1000,
                  std::ceil(lowest_ratio() * 1000) / 1000));
}

/// The fewest bits need not take the fewest cycles: improves the floor by single changes until none helps.
void BudgetProjection::find_floor() {
  host::Cycles cost = cycles(floor_);
  for (bool improved = true; improved;) {
    improved = false;
    for (const int decision : order_) {
      for (const int width : space_.decisions()[decision].widths) {
        Assignment candidate = floor_;
        candidate[decision] = width;
        const host::Cycles candidate_cost = cycles(candidate);
        if (candidate_cost >= cost) continue;
        floor_ = candidate;
        cost = candidate_cost;
        improved = true;
      }
    }
  }
}

Assignment BudgetProjection::project(Assignment assignment) {
  host::Cycles cost = cycles(assignment);
  for (bool saved = true; saved && cost > limit_;) {
    saved = false;
    for (const int decision : order_) {
      if (cost <= limit_) break;
      saved = step_down(assignment, decision, cost) || saved;
    }
  }
  for (const int decision : order_) {
    if (cost <= limit_) break;
    assignment[decision] = floor_[decision];
    cost = cycles(assignment);
  }
  return assignment;
}

/// Takes the nearest lower width that saves cycles; false where there is none.
bool BudgetProjection::step_down(Assignment& assignment, int decision, host::Cycles& cost) {
  const auto& widths = space_.decisions()[decision].widths;
  const int current = assignment[decision];
  for (auto width = widths.rbegin(); width != widths.rend(); ++width) {
    if (*width >= current) continue;
    assignment[decision] = *width;
    const host::Cycles candidate_cost = cycles(assignment);
    if (candidate_cost < cost) {
      cost = candidate_cost;
      return true;
    }
  }
  assignment[decision] = current;
  return false;
}

}  // namespace bitloop::agent
