#pragma once

#include <torch/optim/adam.h>

#include <functional>
#include <random>
#include <span>
#include <vector>

#include "agent/agents/small_network.h"

namespace bitloop::agents {

/// What an agent sees at a step.
using State = std::vector<float>;

struct Transition {
  State state{};
  float action = 0;   ///< 0..1
  int candidate = 0;  ///< of the actor's actions the one that this came from
  State next{};       ///< zeros where done
  bool done = false;
  double reward = 0;  ///< of the whole episode, as it came
};

struct ActorCriticSettings {
  int hidden = 64;     ///< values of each of the two hidden layers
  int candidates = 1;  ///< actions that the actor offers
  double critic_rate = 1e-3;
  double actor_rate = 1e-3;
  double soft_update = 0.05;  ///< of the target networks
  double discount = 1;
  int batch = 64;             ///< transitions of an update
  std::size_t replay = 1024;  ///< transitions that are kept, the last ones
};

/// Deep deterministic policy gradient (Lillicrap et al.: Continuous control with deep reinforcement learning,
/// ICLR 2016, algorithm 1): an actor names an action in 0..1 for a state, a critic its value; both learn from
/// replay. With several candidates the successor's value is that of its best candidate, and of the actor the
/// candidate learns that was executed. LibTorch on the calling thread.
class ActorCritic {
 public:
  ActorCritic(const ActorCriticSettings& settings, int state_size, std::mt19937_64& random);

  /// The actor's candidates, each above 0 and below 1.
  [[nodiscard]] std::vector<double> actions(const State& state) const;
  void remember(Transition transition);
  [[nodiscard]] bool knows_nothing() const { return replay_.empty(); }
  /// One step of critic and actor on a batch that `random` draws. `scale` turns the batch's rewards into what
  /// the critic learns from.
  void update(std::mt19937_64& random, const std::function<void(std::span<double> rewards)>& scale);

 private:
  ActorCriticSettings settings_;
  Parameters actor_, critic_, target_actor_, target_critic_;
  torch::optim::Adam actor_optimizer_, critic_optimizer_;
  std::vector<Transition> replay_;
  std::size_t next_ = 0;
};

}  // namespace bitloop::agents
