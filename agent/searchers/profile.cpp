#include "agent/searchers/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "agent/searchers/linear_posterior.h"
#include "agent/searchers/uniform_policies.h"
#include "agent/space/effects.h"

namespace bitloop::search {
namespace {

constexpr int kProbeImages = 200;  ///< reference: 58 evaluations for 123 probes; fewer are too noisy
/// Decisions in rounds, each of which asks one choice of every decision.
std::vector<std::pair<int, int>> order_of_probes(const Space& space) {
  std::vector<std::pair<int, int>> order;
  for (const double bits : {2.0, 4.0}) {
    for (int d = 0; d < space.size(); ++d) {
      const int choice = nearest(space.decisions[d], bits);
      if (choice < space.decisions[d].size() - 1) order.emplace_back(d, choice);
    }
  }
  for (int d = 0; d < space.size(); ++d)
    for (int choice = space.decisions[d].size() - 2; choice >= 0; --choice) order.emplace_back(d, choice);
  std::vector<std::pair<int, int>> distinct;
  for (const auto& probe : order)
    if (std::ranges::find(distinct, probe) == distinct.end()) distinct.push_back(probe);
  return distinct;
}

}  // namespace

Profile::Profile(const Problem& problem, double evaluations, double share) : space_(problem.space) {
  for (const Decision& decision : space_.decisions) losses_.emplace_back(decision.choices.size());
  if (!problem.prices.has_probes()) return;
  Query query{space_.highest(), Fidelity::probe, std::min(kProbeImages, problem.prices.probe_images)};
  const double price = problem.prices.of(query);
  const auto most = static_cast<std::size_t>(share * evaluations / price);
  const auto order = order_of_probes(space_);
  const std::size_t fit = most < losses_.size() + 1 ? 0 : std::min(most, order.size() + 1);
  if (fit < order.size() + 1) {
    note_ =
        fmt::format("its {} probes cost {:.3g} evaluations, more than {:.0f} % of {:g}: {}", order.size() + 1,
                    price * static_cast<double>(order.size() + 1), 100 * share, evaluations,
                    fit == 0 ? "it asks none and goes by widths" : fmt::format("it asks {}", fit));
  }
  if (fit == 0) return;
  queries_.push_back(query);
  for (const auto& [decision, choice] : order) {
    if (queries_.size() == fit) break;
    query.assignment = space_.highest();
    query.assignment[decision] = choice;
    queries_.push_back(query);
  }
}

void Profile::tell(std::span<const Answer> answers) {
  const Assignment highest = space_.highest();
  for (const Answer& answer : answers) {
    if (answer.query.fidelity != Fidelity::probe) continue;
    const auto differs = std::ranges::mismatch(answer.query.assignment, highest).in1;
    if (differs == answer.query.assignment.end()) {
      highest_loss_ = answer.loss();
      images_ = answer.images();
      continue;
    }
    losses_[static_cast<std::size_t>(differs - answer.query.assignment.begin())]
           [static_cast<std::size_t>(*differs)] = answer.loss();
  }
}

std::vector<std::vector<std::optional<double>>> Profile::rises() const {
  auto rises = losses_;
  for (auto& decision : rises) {
    for (auto& loss : decision)
      if (loss) *loss -= highest_loss_;
    decision.back() = 0;
  }
  return rises;
}

std::vector<std::vector<double>> Profile::believed() const {
  std::vector<SeenLoss> seen;
  for (int d = 0; d < space_.size(); ++d) {
    for (std::size_t c = 0; c + 1 < losses_[d].size(); ++c) {
      if (!losses_[d][c]) continue;
      seen.push_back({space_.highest(), *losses_[d][c], images_});
      seen.back().assignment[d] = static_cast<int>(c);
    }
  }
  auto effects = belief_by_width(space_, seen, highest_loss_).mean();
  for (auto& decision : effects) make_monotone(decision);
  return effects;
}

std::vector<std::vector<double>> Profile::raw() const {
  const auto measured = rises();
  auto effects = effects_by_width(space_);
  // Per kind, how much a rise is of what widths alone say.
  std::map<std::string, std::pair<double, double>> sums;
  for (int d = 0; d < space_.size(); ++d) {
    auto& [rise, width] = sums[space_.decisions[d].kind];
    for (std::size_t c = 0; c + 1 < measured[d].size(); ++c) {
      if (!measured[d][c]) continue;
      rise += std::max(0.0, *measured[d][c]);
      width += effects[d][c];
    }
  }
  for (int d = 0; d < space_.size(); ++d) {
    const auto& [rise, width] = sums[space_.decisions[d].kind];
    const double scale = width > 0 && rise > 0 ? rise / width : 1;
    for (std::size_t c = 0; c < measured[d].size(); ++c)
      effects[d][c] = measured[d][c] ? *measured[d][c] : scale * effects[d][c];
    make_monotone(effects[d]);
  }
  return effects;
}

}  // namespace bitloop::search
