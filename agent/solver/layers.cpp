#include "agent/solver/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "host/base/error.h"

namespace bitloop::search::solver {
namespace {

constexpr double kManyArcs = 1 << 14;  ///< a better order is looked for
constexpr double kMostArcs = 1 << 24;

/// What decisions have to be known together: the scopes of terms, and the pairs of masks.
std::vector<std::vector<int>> scopes_of(const Space& space, const LocalCosts& costs) {
  std::vector<std::vector<int>> scopes;
  for (const CostTerm& term : costs.terms) scopes.push_back(term.scope);
  for (const Mask& mask : space.masks) scopes.push_back({mask.first, mask.second});
  return scopes;
}

/// Decisions, and who stands in a scope with whom.
class Neighbours {
 public:
  Neighbours(const Space& space, const std::vector<std::vector<int>>& scopes)
      : space_(space), of_(static_cast<std::size_t>(space.size())) {
    for (const auto& scope : scopes)
      for (const int a : scope)
        for (const int b : scope)
          if (a != b) of_[a].insert(b);
  }

  /// Those of `frontier` and `decision` that decisions not `done` ask for; `done` says so of `decision` too.
  [[nodiscard]] std::vector<int> frontier(const std::vector<int>& frontier, int decision,
                                          const std::vector<bool>& done) const {
    std::vector<int> kept;
    const auto keep = [&](int d) {
      if (std::ranges::any_of(of_[d], [&](int other) { return !done[other]; })) kept.push_back(d);
    };
    for (const int d : frontier) keep(d);
    keep(decision);
    return kept;
  }
  [[nodiscard]] double states(const std::vector<int>& frontier) const {
    double states = 1;
    for (const int d : frontier) states *= space_.decisions[d].size();
    return states;
  }
  [[nodiscard]] double arcs(const std::vector<int>& order) const {
    double arcs = 0;
    std::vector<bool> done(of_.size());
    std::vector<int> open;
    for (const int d : order) {
      arcs += states(open) * space_.decisions[d].size();
      done[d] = true;
      open = frontier(open, d, done);
    }
    return arcs;
  }

 private:
  const Space& space_;
  std::vector<std::set<int>> of_;
};

/// Next always the decision that leaves the fewest states, of equals the first.
std::vector<int> narrow_order(const Space& space, const Neighbours& neighbours) {
  std::vector<int> order;
  std::vector<bool> done(static_cast<std::size_t>(space.size()));
  std::vector<int> open;
  while (static_cast<int>(order.size()) < space.size()) {
    std::optional<int> best;
    double fewest = 0;
    for (int d = 0; d < space.size(); ++d) {
      if (done[d]) continue;
      done[d] = true;
      const double states = neighbours.states(neighbours.frontier(open, d, done));
      done[d] = false;
      if (best && states >= fewest) continue;
      best = d;
      fewest = states;
    }
    done[*best] = true;
    open = neighbours.frontier(open, *best, done);
    order.push_back(*best);
  }
  return order;
}

std::vector<int> order_of(const Space& space, const Neighbours& neighbours) {
  std::vector<int> order(static_cast<std::size_t>(space.size()));
  std::iota(order.begin(), order.end(), 0);
  if (neighbours.arcs(order) > kManyArcs) {
    std::vector<int> narrow = narrow_order(space, neighbours);
    if (neighbours.arcs(narrow) < neighbours.arcs(order)) order = std::move(narrow);
  }
  if (const double arcs = neighbours.arcs(order); arcs > kMostArcs) {
    throw InputError(fmt::format(
        "the costs of space '{}' tie too many decisions together to be solved exactly ({:.0f} states and "
        "choices, {:.0f} at most): group decisions, or give fewer choices",
        space.name, arcs, kMostArcs));
  }
  return order;
}

/// Terms and masks that are complete with a decision of the order.
struct Complete {
  std::vector<const CostTerm*> terms{};
  std::vector<const Mask*> masks{};
};

std::vector<Complete> complete_at(const Space& space, const LocalCosts& costs,
                                  const std::vector<int>& order) {
  std::vector<int> position(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = static_cast<int>(i);
  std::vector<Complete> complete(order.size());
  for (const CostTerm& term : costs.terms) {
    int last = 0;  // a term of no decision is a constant: any layer may carry it
    for (const int d : term.scope) last = std::max(last, position[d]);
    complete[last].terms.push_back(&term);
  }
  for (const Mask& mask : space.masks)
    complete[std::max(position[mask.first], position[mask.second])].masks.push_back(&mask);
  return complete;
}

/// Index of a state: of its frontier's choices, the last running fastest.
int state_of(const Space& space, const std::vector<int>& frontier, const Assignment& assignment) {
  int state = 0;
  for (const int d : frontier) state = state * space.decisions[d].size() + assignment[d];
  return state;
}

void set_state(const Space& space, const std::vector<int>& frontier, int state, Assignment& assignment) {
  for (auto d = frontier.rbegin(); d != frontier.rend(); ++d) {
    assignment[*d] = state % space.decisions[*d].size();
    state /= space.decisions[*d].size();
  }
}

bool allows(const Space& space, const Complete& complete, const Assignment& assignment) {
  return std::ranges::all_of(complete.masks, [&](const Mask* mask) {
    const int row = assignment[mask->first] * space.decisions[mask->second].size();
    return mask->allowed[static_cast<std::size_t>(row + assignment[mask->second])];
  });
}

Layer layer_of(const Space& space, int decision, const Complete& complete, const std::vector<int>& before,
               const std::vector<int>& after, int states) {
  const int choices = space.decisions[decision].size();
  const auto arcs = static_cast<std::size_t>(states) * choices;
  Layer layer{.decision = decision, .choices = choices, .states = states};
  layer.next.assign(arcs, kForbidden);
  layer.cost.assign(arcs, 0);
  Assignment assignment(static_cast<std::size_t>(space.size()));
  for (int state = 0; state < states; ++state) {
    set_state(space, before, state, assignment);
    for (int choice = 0; choice < choices; ++choice) {
      assignment[decision] = choice;
      if (!allows(space, complete, assignment)) continue;
      const auto arc = static_cast<std::size_t>(state) * choices + choice;
      layer.next[arc] = state_of(space, after, assignment);
      for (const CostTerm* term : complete.terms)
        layer.cost[arc] += term->values[static_cast<std::size_t>(index_of(space, *term, assignment))];
    }
  }
  return layer;
}

}  // namespace

std::vector<Layer> unroll(const Space& space, const LocalCosts& costs) {
  const Neighbours neighbours(space, scopes_of(space, costs));
  const std::vector<int> order = order_of(space, neighbours);
  const std::vector<Complete> complete = complete_at(space, costs, order);
  std::vector<Layer> layers;
  std::vector<bool> done(order.size());
  std::vector<int> open;
  for (std::size_t i = 0; i < order.size(); ++i) {
    done[order[i]] = true;
    const std::vector<int> after = neighbours.frontier(open, order[i], done);
    layers.push_back(
        layer_of(space, order[i], complete[i], open, after, static_cast<int>(neighbours.states(open))));
    open = after;
  }
  return layers;
}

}  // namespace bitloop::search::solver
