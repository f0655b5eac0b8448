#include "agent/solver/labels.h"

#include <algorithm>

namespace bitloop::search::solver {

Labels::Labels(const Graph& graph, const Constraints& constraints, const Relaxation& relaxation,
               std::size_t count, double most)
    : graph_(graph), constraints_(constraints), relaxation_(relaxation), count_(count), most_(most) {
  differ_.resize(constraints.before.size());
  reached_.push_back({Label{.sum = {.cost = graph.constant}}});
  for (std::size_t step = 0; step < graph.steps.size(); ++step) extend(step);
  std::ranges::sort(reached_.back(), [&](const Label& a, const Label& b) {
    if (a.sum.effect != b.sum.effect) return a.sum.effect < b.sum.effect;
    if (a.sum.cost != b.sum.cost) return a.sum.cost < b.sum.cost;
    return precedes(a, b);
  });
}

Assignment Labels::assignment(const Label& label) const {
  Assignment assignment(graph_.steps.size());
  const Label* at = &label;
  for (std::size_t i = graph_.steps.size(); i-- > 0; at = &reached_[i][at->parent])
    assignment[graph_.steps[i].decision] = at->choice;
  return assignment;
}

void Labels::extend(std::size_t i) {
  const Step& step = graph_.steps[i];
  const int left = static_cast<int>(graph_.steps.size() - i) - 1;
  std::vector<Label> labels;
  std::vector<std::uint16_t> counts(constraints_.before.size());
  for (std::size_t parent = 0; parent < reached_[i].size(); ++parent) {
    const Label& label = reached_[i][parent];
    const auto first = static_cast<std::size_t>(label.state) * step.choices;
    for (int choice = 0; choice < step.choices; ++choice) {
      const int next = step.next[first + choice];
      if (next == kForbidden) continue;
      bool far = true;
      for (std::size_t b = 0; b < counts.size(); ++b) {
        const int more = constraints_.before[b][step.decision] != choice ? 1 : 0;
        const int count = std::min(differ(label)[b] + more, constraints_.distance);
        counts[b] = static_cast<std::uint16_t>(count);
        far = far && count + left >= constraints_.distance;
      }
      if (!far) continue;
      const Sum sum{label.sum.effect + step.effect[choice], label.sum.cost + step.cost[first + choice]};
      const Relaxation::Verdict verdict = relaxation_.judge(i + 1, next, sum, counts, most_);
      if (verdict == Relaxation::Verdict::exceeds_most) complete_ = false;
      if (verdict != Relaxation::Verdict::open) continue;
      labels.push_back({sum, next, choice, static_cast<int>(parent), static_cast<int>(differ_.size())});
      differ_.insert(differ_.end(), counts.begin(), counts.end());
    }
  }
  thin_out(labels);
  reached_.push_back(std::move(labels));
}

/// Drops labels that others of their state come before with any completion: others with at most their effect
/// and cost, of equals the assignments that come first, that differ from those before in as many decisions.
/// One is enough where one solution is asked for; of the best `count` there have to be so many.
void Labels::thin_out(std::vector<Label>& labels) const {
  std::ranges::sort(labels, [&](const Label& a, const Label& b) {
    if (a.state != b.state) return a.state < b.state;
    if (a.sum.cost != b.sum.cost) return a.sum.cost < b.sum.cost;
    if (a.sum.effect != b.sum.effect) return a.sum.effect < b.sum.effect;
    return precedes(a, b);
  });
  if (!constraints_.before.empty()) {
    thin_out_diverse(labels);
    return;
  }
  int state = -1;
  std::vector<double> least;  // effects of those before, a heap with the greatest of the `count` least on top
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

void Labels::thin_out_diverse(std::vector<Label>& labels) const {
  std::size_t kept = 0;
  std::size_t first = 0;  // kept, of the state in hand
  for (const Label& label : labels) {
    if (kept > first && labels[first].state != label.state) first = kept;
    const bool superfluous =
        std::any_of(labels.begin() + static_cast<std::ptrdiff_t>(first),
                    labels.begin() + static_cast<std::ptrdiff_t>(kept), [&](const Label& other) {
                      return other.sum.effect <= label.sum.effect &&
                             std::ranges::equal(differ(other), differ(label), std::greater_equal<>());
                    });
    if (!superfluous) labels[kept++] = label;
  }
  labels.resize(kept);
}

/// In lexicographic order of the space's decisions; both after the same step.
bool Labels::precedes(const Label& a, const Label& b) const {
  const Label* left = &a;
  const Label* right = &b;
  int first = static_cast<int>(graph_.steps.size());
  bool is_before = false;
  for (std::size_t i = std::min(reached_.size(), graph_.steps.size()); i-- > 0;) {
    const int decision = graph_.steps[i].decision;
    if (left->choice != right->choice && decision < first) {
      first = decision;
      is_before = left->choice < right->choice;
    }
    if (left->parent == right->parent) break;
    left = &reached_[i][left->parent];
    right = &reached_[i][right->parent];
  }
  return is_before;
}

}  // namespace bitloop::search::solver
