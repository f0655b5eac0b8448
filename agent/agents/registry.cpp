#include "agent/agents/registry.h"

#include "agent/searchers/registry.h"

namespace bitloop::agents {

extern const search::Method ddpg_method, cmc2024_method, cmc2024_no_weight_deviation_method,
    cmc2024_haq_reward_method, cmc2024_gap_reward_method, haq_method, haq_as_published_method, releq_method,
    adrl_method, adrl_distance_method, adrl_reverse_projection_method;

void register_agents() {
  static const bool once = [] {
    for (const search::Method* method :
         {&ddpg_method, &cmc2024_method, &cmc2024_no_weight_deviation_method, &cmc2024_haq_reward_method,
          &cmc2024_gap_reward_method, &haq_method, &haq_as_published_method, &releq_method, &adrl_method,
          &adrl_distance_method, &adrl_reverse_projection_method})
      search::add_method(*method);
    return true;
  }();
  (void)once;
}

}  // namespace bitloop::agents
