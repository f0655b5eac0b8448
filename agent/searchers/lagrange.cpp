// Banner, Nahshan and Soudry (Post training 4-bit quantization of convolutional networks for
// rapid-deployment, NeurIPS 2019, section 3): bits by Lagrange's multiplier in closed form, rounded to what
// can be chosen. Quantization noise of b bits is g 4^-b, so that the least sum of noise at a sum of c b has
//
//   b = 1/2 log2(g / c) + shift
//
// Differs from the paper, which divides the levels of one layer's channels:
// - It is the decisions of a network among which bits are divided (the CMC 2024 paper, its Table 1, names as
//   limits of the method that it works within layers, and that bits come as they are calculated).
// - g is what the loss says: rises measured one at a time, mean over the choices of rise * 4^b; where no
//   probes can be paid, 1. c is the cost that a bit saves on the hardware, all other decisions at their most
//   bits.
// - Bits are rounded to choices, and the shift is the largest at which the hardware's own cost keeps the
//   limit. Rounded at the middle between two choices first; more evaluations try other places.

#include <algorithm>
#include <cmath>

#include "agent/searchers/batch.h"
#include "agent/searchers/limits.h"
#include "agent/searchers/profile.h"
#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {

extern const Method lagrange_method;

namespace {

constexpr double kProfileShare = 0.5;  // of the evaluations, as the solver has
constexpr int kRoundings = 64;         // places that are tried
constexpr int kHalvings = 40;          // of the shift's range
constexpr double kFarthest = 32;       // bits: of any shift
constexpr double kSmallest = 1e-12;

class Lagrange : public Searcher {
 public:
  Lagrange(const Problem& problem, const SearcherOptions& options)
      : problem_(problem),
        ground_(problem_),
        profile_(problem_, options.evaluations, kProfileShare),
        batch_(batch_of(lagrange_method, options)) {}

  std::vector<Query> ask(double /*left*/) override {
    if (!profiled_ && !profile_.queries().empty()) return profile_.queries();
    if (bits_.empty()) allocate();
    std::vector<Assignment> assignments;
    while (static_cast<int>(assignments.size()) < batch_ && rounding_ < kRoundings) {
      Assignment assignment = within_limit(van_der_corput(++rounding_));
      if (std::ranges::find(proposed_, assignment) != proposed_.end()) continue;
      proposed_.push_back(assignment);
      assignments.push_back(std::move(assignment));
    }
    return full_queries(std::move(assignments));
  }
  void tell(std::span<const Answer> answers) override {
    profile_.tell(answers);
    profiled_ = true;
  }
  [[nodiscard]] std::string note() const override { return profile_.note(); }

 private:
  /// Bits of every decision, but for the shift that all share.
  void allocate() {
    const auto effects = profile_.queries().empty() ? effects_by_width(problem_.space) : profile_.raw();
    const Assignment highest = problem_.space.highest();
    const double most = ground_.cost(highest);
    for (int d = 0; d < problem_.space.size(); ++d) {
      const Decision& decision = problem_.space.decisions[d];
      double noise = 0;
      for (int c = 0; c + 1 < decision.size(); ++c)
        noise += std::max(kSmallest, effects[d][c]) * std::pow(4, decision.choices[c].bits);
      Assignment lowest = highest;
      lowest[d] = 0;
      const double range = decision.choices.back().bits - decision.choices.front().bits;
      const double saved = (most - ground_.cost(lowest)) / most;
      // Whoever has no choice, or saves nothing, gets the most bits.
      const bool matters = range > 0 && std::isfinite(saved) && saved > 0;
      bits_.push_back(matters ? 0.5 * std::log2(noise / (decision.size() - 1) / (saved / range)) : kFarthest);
    }
    // Around 0, so that a shift stands for bits.
    double sum = 0, count = 0;
    for (const double bits : bits_) {
      if (bits == kFarthest) continue;
      sum += bits;
      ++count;
    }
    for (double& bits : bits_)
      bits = bits == kFarthest ? 2 * kFarthest : std::clamp(bits - sum / count, -kFarthest, kFarthest);
  }

  /// `place`: between two choices, 0 to 1, where rounding goes up.
  [[nodiscard]] Assignment rounded(double shift, double place) const {
    Assignment assignment;
    for (int d = 0; d < problem_.space.size(); ++d) {
      const auto& choices = problem_.space.decisions[d].choices;
      const double bits = bits_[d] + shift;
      int choice = 0;
      while (choice + 1 < static_cast<int>(choices.size()) &&
             bits > choices[choice].bits + place * (choices[choice + 1].bits - choices[choice].bits))
        ++choice;
      assignment.push_back(choice);
    }
    return assignment;
  }
  [[nodiscard]] Assignment within_limit(double place) const {
    double keeps = -2 * kFarthest, exceeds = 2 * kFarthest;
    if (ground_.cost(rounded(exceeds, place)) <= problem_.objective.limit) return rounded(exceeds, place);
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (keeps + exceeds) / 2;
      (ground_.cost(rounded(middle, place)) <= problem_.objective.limit ? keeps : exceeds) = middle;
    }
    return ground_.projection.in_reverse(rounded(keeps, place));  // where not even the lowest shift keeps it
  }

  Problem problem_;
  Ground ground_;
  Profile profile_;
  int batch_;
  bool profiled_ = false;
  std::vector<double> bits_;
  int rounding_ = 0;
  std::vector<Assignment> proposed_;
};

}  // namespace

const Method lagrange_method{
    .name = "lagrange",
    .about = "bits in closed form from one-at-a-time losses (Banner et al. 2019), rounded to choices",
    .batch = 1,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Lagrange>(problem, options);
    }};

}  // namespace bitloop::search
