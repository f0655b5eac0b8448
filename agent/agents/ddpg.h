#pragma once

#include "agent/agents/deterministic_agent.h"
#include "agent/agents/reward.h"

namespace bitloop::agents {

/// The settings of `ddpg`: what `adrl` augments.
extern const DeterministicSettings kDdpgSettings;

/// DDPG on the CMC 2024 paper's reward, in units of its spread over the episodes so far.
class Ddpg : public DeterministicAgent {
 public:
  Ddpg(const search::Method& method, const search::Problem& problem, const search::SearcherOptions& options,
       const DeterministicSettings& settings)
      : DeterministicAgent(method, problem, options, settings), reward_(reward_of(problem, options)) {}

  [[nodiscard]] double reward(const search::Answer& answer) const override;

 protected:
  void see(double reward) override;
  void scale(std::span<double> rewards) override;

 private:
  Reward reward_;
  int episodes_ = 0;
  double baseline_ = 0;  ///< moving average of episode rewards
  double spread_ = 0;    ///< moving average of their distance from it
};

}  // namespace bitloop::agents
