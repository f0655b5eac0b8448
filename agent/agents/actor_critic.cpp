#include "agent/agents/actor_critic.h"

namespace bitloop::agents {
namespace {

Parameters make_network(const ActorCriticSettings& settings, int inputs, int outputs,
                        std::mt19937_64& random) {
  return make_parameters(linear_parts({inputs, settings.hidden, settings.hidden, outputs}), random);
}

}  // namespace

ActorCritic::ActorCritic(const ActorCriticSettings& settings, int state_size, std::mt19937_64& random)
    : settings_(settings),
      actor_(make_network(settings, state_size, settings.candidates, random)),
      critic_(make_network(settings, state_size + 1, 1, random)),
      target_actor_(make_network(settings, state_size, settings.candidates, random)),
      target_critic_(make_network(settings, state_size + 1, 1, random)),
      actor_optimizer_({actor_.all}, torch::optim::AdamOptions(settings.actor_rate)),
      critic_optimizer_({critic_.all}, torch::optim::AdamOptions(settings.critic_rate)) {
  target_actor_.all.copy_(actor_.all);
  target_critic_.all.copy_(critic_.all);
}

std::vector<double> ActorCritic::actions(const State& state) const {
  const at::NoGradGuard no_grad;
  const at::Tensor means =
      at::sigmoid(linear_layers(actor_.parts, at::tensor(state).view({1, -1}))).contiguous();
  return {means.data_ptr<float>(), means.data_ptr<float>() + means.numel()};
}

void ActorCritic::remember(Transition transition) {
  if (replay_.size() < settings_.replay) {
    replay_.push_back(std::move(transition));
  } else {
    replay_[next_++ % replay_.size()] = std::move(transition);
  }
}

void ActorCritic::update(std::mt19937_64& random,
                         const std::function<void(std::span<double> rewards)>& scale) {
  std::vector<float> states, actions, next_states, going_on;
  std::vector<double> rewards;
  std::vector<std::int64_t> candidates;
  for (int i = 0; i < settings_.batch; ++i) {
    const Transition& t = replay_[random() % replay_.size()];
    states.insert(states.end(), t.state.begin(), t.state.end());
    next_states.insert(next_states.end(), t.next.begin(), t.next.end());
    actions.push_back(t.action);
    candidates.push_back(t.candidate);
    going_on.push_back(t.done ? 0 : 1);
    rewards.push_back(t.reward);
  }
  scale(rewards);
  const auto rows = [&](const std::vector<float>& values) {
    return at::tensor(values).view({settings_.batch, -1});
  };
  const auto state = rows(states);
  at::Tensor goal;
  {
    const at::NoGradGuard no_grad;
    const auto next = rows(next_states);
    const auto next_actions = at::sigmoid(linear_layers(target_actor_.parts, next));
    at::Tensor value;
    for (int candidate = 0; candidate < settings_.candidates; ++candidate) {
      const auto of_candidate =
          linear_layers(target_critic_.parts, at::cat({next, next_actions.narrow(1, candidate, 1)}, 1));
      value = value.defined() ? at::maximum(value, of_candidate) : of_candidate;
    }
    goal = rows({rewards.begin(), rewards.end()}) + settings_.discount * rows(going_on) * value;
  }
  critic_.differentiate(at::mse_loss(linear_layers(critic_.parts, at::cat({state, rows(actions)}, 1)), goal));
  critic_optimizer_.step();

  at::Tensor action = at::sigmoid(linear_layers(actor_.parts, state));
  if (settings_.candidates > 1) action = action.gather(1, at::tensor(candidates).view({-1, 1}));
  actor_.differentiate(-linear_layers(critic_.parts, at::cat({state, action}, 1)).mean());
  actor_optimizer_.step();

  target_actor_.all.lerp_(actor_.all, settings_.soft_update);
  target_critic_.all.lerp_(critic_.all, settings_.soft_update);
}

}  // namespace bitloop::agents
