#include "agent/evaluation/meter_costs.h"

#include <algorithm>

namespace bitloop::agent {
namespace {

double weight_bytes(const host::Network& network, const host::Policy& policy) {
  double bits = 0;
  std::size_t row = 0;
  for (const host::Layer* layer : network.weight_layers())
    bits += static_cast<double>(network.weight_count(*layer)) * policy.layers[row++].weight_bits;
  return bits / 8;
}

}  // namespace

MeterCosts::MeterCosts(const PolicySpace& space, CycleMeter& meter) : space_(space), meter_(meter) {
  const host::Policy highest = host::uniform_policy(space.network(), 8, 8);
  reference_[search::Measure::cycles] = static_cast<double>(meter.cycles(highest));
  reference_[search::Measure::bytes] = weight_bytes(space.network(), highest);
}

search::Costs MeterCosts::costs(const search::Assignment& assignment) {
  const host::Policy policy = space_.policy(assignment);
  search::Costs costs;
  costs[search::Measure::bytes] = weight_bytes(space_.network(), policy);
  const std::lock_guard lock(mutex_);
  costs[search::Measure::cycles] = static_cast<double>(meter_.cycles(policy));
  return costs;
}

/// A table per decision: what changing it alone from the highest changes, averaged with what it changes from
/// a middle assignment.
const search::LocalCosts& MeterCosts::local(search::Measure measure) {
  static std::mutex building;
  const std::lock_guard lock(building);
  search::LocalCosts& local = local_[static_cast<std::size_t>(measure)];
  if (!local.terms.empty()) return local;
  const search::Space& space = space_.space();
  search::Assignment middle = space.highest();
  for (int i = 0; i < space.size(); ++i) middle[i] = search::nearest(space.decisions[i], 4);
  const double base = costs(middle)[measure];
  local.constant = base;
  for (int i = 0; i + 1 < space.size(); ++i) {
    search::CostTerm term{.scope = {i, i + 1}};
    for (int a = 0; a < space.decisions[i].size(); ++a) {
      for (int b = 0; b < space.decisions[i + 1].size(); ++b) {
        search::Assignment both = middle, one = middle;
        both[i] = a;
        both[i + 1] = one[i + 1] = b;
        // Pairs of a chain: what the pair changes, less what its second alone does, which the next pair
        // counts.
        const bool last = i + 2 == space.size();
        term.values.push_back(costs(both)[measure] - (last ? base : costs(one)[measure]));
      }
    }
    local.terms.push_back(std::move(term));
  }
  return local;
}

}  // namespace bitloop::agent
