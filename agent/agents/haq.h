#pragma once

#include "agent/agents/deterministic_agent.h"

namespace bitloop::agents {

/// HAQ's constants (mit-han-lab/haq@8228d12, rl_quantize.py and lib/rl/ddpg.py), with `features` in the
/// state.
DeterministicSettings haq_settings(std::span<const std::string_view> features);

/// HAQ's reward: a tenth of the percents of accuracy gained on the origin; cost is none of it.
double haq_reward(const search::Problem& problem, const search::Answer& answer);

}  // namespace bitloop::agents
