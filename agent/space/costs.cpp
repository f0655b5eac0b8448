#include "agent/space/costs.h"

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

}  // namespace bitloop::search
