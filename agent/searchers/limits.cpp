#include "agent/searchers/limits.h"

#include <algorithm>

#include "agent/solver/knapsack.h"

namespace bitloop::search {
namespace {

constexpr int kHalvings = 7;  ///< to a hundredth of the range

}  // namespace

double van_der_corput(int index) {
  double place = 0;
  double digit = 0.5;
  for (auto i = static_cast<unsigned>(index); i > 0; i /= 2, digit /= 2) place += digit * (i % 2);
  return place;
}

Limits::Limits(const Problem& problem) {
  const Measure measure = problem.objective.measure;
  const Assignment assignment = cheapest(problem.space, problem.costs.local(measure)).assignment;
  // What costs more than the all-highest network limits nothing.
  const double most = problem.costs.costs(problem.space.highest())[measure];
  highest_ = problem.space.allows(problem.space.highest()) ? std::min(problem.objective.limit, most)
                                                           : problem.objective.limit;
  lowest_ = std::min(highest_, problem.costs.costs(assignment)[measure]);
}

double Limits::spread(int index) const { return highest_ - van_der_corput(index) * (highest_ - lowest_); }

double Limits::least(const std::function<bool(double)>& enough) const {
  double too_low = lowest_;
  double high = highest_;
  if (enough(too_low)) return too_low;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (too_low + high) / 2;
    (enough(middle) ? high : too_low) = middle;
  }
  return high;
}

}  // namespace bitloop::search
