#include "agent/searchers/random_search.h"

#include <algorithm>

namespace bitloop::agent {

std::vector<host::Policy> RandomSearch::ask(int at_most) {
  std::vector<host::Policy> policies;
  for (int i = 0; i < std::min(batch_, at_most); ++i) {
    Assignment assignment;
    for (const Decision& decision : environment_.space().decisions()) {
      assignment.push_back(decision.widths[random_() % decision.widths.size()]);
    }
    policies.push_back(environment_.space().policy(environment_.execute(assignment)));
  }
  return policies;
}

}  // namespace bitloop::agent
