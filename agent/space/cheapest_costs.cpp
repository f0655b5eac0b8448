#include "agent/space/cheapest_costs.h"

#include <limits>
#include <tuple>
#include <utility>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

bool cheaper(const Costs& a, const Costs& b, Measure by) {
  return std::pair(a[by], a.cycles()) < std::pair(b[by], b.cycles());
}

Costs costs_or_infinite(CostModel& model, const Assignment& assignment) {
  try {
    return model.costs(assignment);
  } catch (const InputError&) {  // this hardware cannot run it
    Costs none;
    none.values.fill(std::numeric_limits<double>::infinity());
    return none;
  }
}

/// Index and costs of the cheapest.
std::pair<std::size_t, Costs> least(std::size_t models, Measure by, const auto& costs_of) {
  std::pair<std::size_t, Costs> best{0, costs_of(0)};
  for (std::size_t i = 1; i < models; ++i) {
    const Costs costs = costs_of(i);
    if (cheaper(costs, best.second, by)) best = {i, costs};
  }
  return best;
}

Assignment middle_of(const Space& space) {
  Assignment middle;
  for (const Decision& decision : space.decisions) middle.push_back(decision.size() / 2);
  return middle;
}

}  // namespace

CheapestCosts::CheapestCosts(const Space& space, std::vector<CostModel*> models, Measure by)
    : space_(space), models_(std::move(models)), by_(by) {
  std::tie(cheapest_reference_, reference_) =
      least(models_.size(), by_, [&](std::size_t i) { return models_[i]->reference(); });
}

Costs CheapestCosts::costs(const Assignment& assignment) {
  return least(models_.size(), by_, [&](std::size_t i) { return costs_or_infinite(*models_[i], assignment); })
      .second;
}

std::size_t CheapestCosts::cheapest(const Assignment& assignment) {
  return least(models_.size(), by_, [&](std::size_t i) { return costs_or_infinite(*models_[i], assignment); })
      .first;
}

const LocalCosts& CheapestCosts::local(Measure measure) {
  return models_[cheapest(middle_of(space_))]->local(measure);
}

LocalCosts CheapestCosts::local_around(Measure measure, const Assignment& context) {
  return models_[cheapest(context)]->local_around(measure, context);
}

std::size_t CheapestCosts::measured() const {
  std::size_t sum = 0;
  for (const CostModel* model : models_) sum += model->measured();
  return sum;
}

}  // namespace bitloop::search
