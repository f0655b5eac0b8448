#include "agent/agents/registry.h"

#include "agent/searchers/registry.h"

namespace bitloop::agents {

extern const search::Method ddpg_method;

void register_agents() {
  static const bool once = [] {
    search::add_method(ddpg_method);
    return true;
  }();
  (void)once;
}

}  // namespace bitloop::agents
