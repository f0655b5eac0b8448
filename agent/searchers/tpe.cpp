// The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kegl: Algorithms for Hyper-Parameter
// Optimization, NeurIPS 2011): how often choices are among the good evaluations, l, and among the others, g,
// each decision by itself; of candidates drawn from l the one with the highest l / g.

#include <algorithm>
#include <cmath>

#include "agent/searchers/proposer.h"

namespace bitloop::search {

extern const Method tpe_method;

namespace {

constexpr int kFirst =
    6;  ///< evaluations near the limit at random before it learns; hyperopt's 20 are half of a search
constexpr double kGood = 0.2;       ///< share of evaluations that are good: the paper's gamma is 0.15
constexpr double kPriorWeight = 1;  ///< evaluations that the uniform prior counts for
constexpr int kCandidates = 24;     ///< hyperopt's

class Tpe : public Proposer {
 public:
  Tpe(const Problem& problem, const SearcherOptions& options) : Proposer(tpe_method, problem, options) {}

 private:
  using Density = std::vector<std::vector<double>>;  ///< [decision][choice]

  Assignment propose() override {
    if (answers().size() < kFirst) return candidates().near_limit();
    Assignment best;
    double most = -INFINITY;
    for (int i = 0; i < kCandidates; ++i) {
      Assignment candidate = candidates().settled(drawn());
      double score = 0;
      for (std::size_t d = 0; d < candidate.size(); ++d)
        score += std::log(good_[d][candidate[d]] / others_[d][candidate[d]]);
      if (!best.empty() && (score <= most || !is_new(candidate))) continue;
      most = is_new(candidate) ? score : -INFINITY;
      best = std::move(candidate);
    }
    return best;
  }

  void learn() override {
    if (answers().size() < kFirst) return;
    const auto order = by_loss();
    const auto good = static_cast<std::size_t>(std::ceil(kGood * static_cast<double>(order.size())));
    good_ = density({order.begin(), order.begin() + static_cast<std::ptrdiff_t>(good)});
    others_ = density({order.begin() + static_cast<std::ptrdiff_t>(good), order.end()});
  }

  [[nodiscard]] Density density(std::span<const std::size_t> members) const {
    Density density;
    const double total = static_cast<double>(members.size()) + kPriorWeight;
    for (int d = 0; d < problem().space.size(); ++d) {
      const int choices = problem().space.decisions[d].size();
      density.emplace_back(choices, kPriorWeight / choices / total);
      for (const std::size_t i : members) density.back()[answers()[i].query.assignment[d]] += 1 / total;
    }
    return density;
  }

  Assignment drawn() {
    Assignment assignment;
    for (const auto& choices : good_) {
      double left = candidates().uniform();
      int choice = 0;
      while (choice + 1 < static_cast<int>(choices.size()) && left >= choices[choice])
        left -= choices[choice++];
      assignment.push_back(choice);
    }
    return assignment;
  }

  Density good_, others_;
};

}  // namespace

const Method tpe_method{
    .name = "tpe",
    .about = "tree-structured Parzen estimator (Bergstra et al. 2011), moved to the budget",
    .batch = 1,
    .make = make_proposer<Tpe>};

}  // namespace bitloop::search
