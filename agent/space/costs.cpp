#include "agent/space/costs.h"

#include <fmt/format.h>

#include "host/base/error.h"

namespace bitloop::search {

std::string_view name_of(Measure measure) {
  switch (measure) {
    case Measure::cycles:
      return "cycles";
    case Measure::energy:
      return "energy";
    case Measure::bytes:
      return "bytes";
  }
  return "";
}

Measure measure_of(std::string_view name) {
  for (const Measure measure : {Measure::cycles, Measure::energy, Measure::bytes})
    if (name_of(measure) == name) return measure;
  throw InputError(fmt::format("no cost is named '{}': use cycles, energy or bytes", name));
}

int index_of(const Space& space, const CostTerm& term, const Assignment& assignment) {
  int index = 0;
  for (const int decision : term.scope)
    index = index * space.decisions[decision].size() + assignment[decision];
  return index;
}

double LocalCosts::operator()(const Space& space, const Assignment& assignment) const {
  double sum = constant;
  for (const CostTerm& term : terms)
    sum += term.values[static_cast<std::size_t>(index_of(space, term, assignment))];
  return sum;
}

LocalCosts CostModel::local_around(Measure measure, const Assignment& /*context*/) { return local(measure); }

}  // namespace bitloop::search
