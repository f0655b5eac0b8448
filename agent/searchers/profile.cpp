#include "agent/searchers/profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {
namespace {

constexpr int kProbeImages = 200;  ///< reference: 58 evaluations for 123 probes; fewer are too noisy
/// Variance of a rise per image, as a multiple of the rise, beside the noise that all probes have.
constexpr double kNoisePerImage = 0.5;
constexpr double kLeastDoubt = 0.3;  ///< standard deviation of an effect, as a share of its group's centre
constexpr double kFar = 4;           ///< variances of the noise from which on an effect is believed
constexpr double kQuartilesOfNormal = 1.349;  ///< distance of the quartiles of a standard normal distribution

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

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)))];
}

}  // namespace

void make_monotone(std::vector<double>& effects) {
  struct Block {
    double sum;
    int count;
    [[nodiscard]] double mean() const { return sum / count; }
  };
  std::vector<Block> blocks;  // from the fewest bits on, means falling
  for (const double effect : effects) {
    blocks.push_back({effect, 1});
    while (blocks.size() > 1 && blocks.back().mean() > blocks[blocks.size() - 2].mean()) {
      blocks[blocks.size() - 2].sum += blocks.back().sum;
      blocks[blocks.size() - 2].count += blocks.back().count;
      blocks.pop_back();
    }
  }
  std::size_t next = 0;
  for (const Block& block : blocks)
    for (int i = 0; i < block.count; ++i) effects[next++] = std::max(0.0, block.mean());
  effects.back() = 0;
}

Profile::Profile(const Problem& problem, double evaluations, double share) : space_(problem.space) {
  for (const Decision& decision : space_.decisions) losses_.emplace_back(decision.choices.size());
  if (!problem.prices.has_probes()) return;
  images_ = std::min(kProbeImages, problem.prices.probe_images);
  Query query{space_.highest(), Fidelity::probe, images_};
  const double price = problem.prices.of(query);
  const auto most = static_cast<std::size_t>(share * evaluations / price);
  if (most < losses_.size() + 1) return;
  queries_.push_back(query);
  for (const auto& [decision, choice] : order_of_probes(space_)) {
    if (queries_.size() == most) break;
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

/// Of probes of each kind, the variance that a rise has by chance. No rise is really below 0: what is
/// measured there is noise.
std::map<std::string, double> Profile::probe_noise(
    const std::vector<std::vector<std::optional<double>>>& measured) const {
  std::map<std::string, std::pair<double, int>> sums;
  for (int d = 0; d < space_.size(); ++d) {
    auto& [squares, count] = sums[space_.decisions[d].kind];
    for (const auto& rise : measured[d]) {
      if (!rise || *rise >= 0) continue;
      squares += *rise * *rise;
      ++count;
    }
  }
  std::map<std::string, double> noise;
  for (const auto& [kind, sum] : sums) noise[kind] = sum.second == 0 ? 0 : sum.first / sum.second;
  return noise;
}

Effects Profile::shrunk() const {
  const auto measured = rises();
  Effects effects{raw(), {}};
  for (const auto& decision : effects.mean) effects.variance.emplace_back(decision.size(), 0.0);
  const std::map<std::string, double> noise_of = probe_noise(measured);
  std::map<std::pair<std::string, double>, std::vector<std::pair<int, int>>> groups;
  for (int d = 0; d < space_.size(); ++d) {
    for (int c = 0; c + 1 < space_.decisions[d].size(); ++c)
      groups[{space_.decisions[d].kind, space_.decisions[d].choices[c].bits}].emplace_back(d, c);
  }
  for (const auto& [key, members] : groups) {
    std::vector<double> rises;
    for (const auto& [d, c] : members)
      if (measured[d][c]) rises.push_back(*measured[d][c]);
    if (rises.empty()) {
      for (const auto& [d, c] : members) effects.variance[d][c] = std::pow(effects.mean[d][c], 2);
      continue;
    }
    const double centre = std::max(0.0, quantile(rises, 0.5));
    const double spread = std::pow((quantile(rises, 0.75) - quantile(rises, 0.25)) / kQuartilesOfNormal, 2);
    for (const auto& [d, c] : members) {
      const double floor = std::pow(kLeastDoubt * centre, 2);
      if (!measured[d][c]) {
        effects.mean[d][c] = centre;
        effects.variance[d][c] = std::max(spread, floor);
        continue;
      }
      // Far from the others an effect is believed: limited translation (Efron and Morris 1972).
      const double away = *measured[d][c] - centre;
      const double noise = noise_of.at(key.first) + kNoisePerImage * std::max(0.0, *measured[d][c]) / images_;
      const double between = std::max({spread - noise, away * away - kFar * noise, 0.0});
      const double weight = between / (between + noise);
      effects.mean[d][c] = centre + weight * away;
      effects.variance[d][c] = std::max(weight * noise, floor);
    }
  }
  for (auto& decision : effects.mean) make_monotone(decision);
  return effects;
}

}  // namespace bitloop::search
