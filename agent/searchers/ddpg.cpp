#include "agent/searchers/ddpg.h"

#include <torch/optim/adam.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>

#include "quant/tensor/threads.h"

namespace bitloop::agent {
namespace {

// Hyper-parameters. HAQ = mit-han-lab/haq@8228d12; where another value stands, the reason follows.
constexpr int kHidden = 64;           // HAQ 300; as much as some hundred transitions can fill
constexpr double kCriticRate = 1e-3;  // HAQ
constexpr double kActorRate =
    1e-3;  // HAQ 1e-4 for 600 episodes; with a tenth of the episodes it hardly moves
constexpr double kSoftUpdate = 0.05;      // HAQ 0.01; as above
constexpr double kDiscount = 1.0;         // HAQ
constexpr int kBatch = 64;                // HAQ
constexpr int kUpdatesPerTransition = 4;  // HAQ 1; as above
constexpr int kReplayPerDecision =
    2048;                            // transitions; HAQ 64 episodes: we keep every episode of such short runs
constexpr double kFirstNoise = 0.5;  // HAQ
constexpr double kLastNoise = 0.08;  // a third of a bin's width (0.25): neighbours are still tried
constexpr double kWarmUpShare = 0.2;  // of the evaluations, at most kMaxWarmUp
constexpr int kMaxWarmUp = 20;        // HAQ
constexpr int kRedraws = 8;           // a policy that was told already teaches nothing: draw again,
constexpr double kRedrawNoise = 1.3;  // with this much more noise each time
constexpr double kBaselineRate =
    0.1;  // weight of a new episode in the moving averages of reward and its spread
constexpr double kSmallestSpread = 1e-6;
constexpr double kLargestReward =
    3;  // spreads; an old outlier would outweigh all else once the spread has fallen

struct Transition {
  State state{};
  float action = 0;
  State next{};
  bool done = false;
  double reward = 0;  ///< of the whole episode, as it came
};

/// Three linear layers with ReLU between. Its parameters are shared with whoever copies it.
struct Mlp {
  std::vector<at::Tensor> parameters;  ///< weight [out, in] and bias [out] of each layer

  /// [row, input] to [row, 1].
  [[nodiscard]] at::Tensor forward(at::Tensor x) const {
    for (std::size_t i = 0; i < parameters.size(); i += 2) {
      if (i > 0) x = x.relu();
      x = at::addmm(parameters[i + 1], x, parameters[i].t());
    }
    return x;
  }
};

/// Weights come from `random`, not from LibTorch's global generator, which the evaluations may use meanwhile.
Mlp make_mlp(int inputs, std::mt19937_64& random) {
  Mlp mlp;
  const std::array<std::int64_t, 4> widths{inputs, kHidden, kHidden, 1};
  for (std::size_t layer = 1; layer < widths.size(); ++layer) {
    mlp.parameters.push_back(at::empty({widths[layer], widths[layer - 1]}));
    mlp.parameters.push_back(at::empty({widths[layer]}));
  }
  for (at::Tensor& parameter : mlp.parameters) {
    // The last layer starts small, so that first actions are near the middle (DDPG, Lillicrap et al., section
    // 7).
    const bool last_layer = parameter.size(0) == 1;
    const double bound = last_layer ? 3e-3 : 1 / std::sqrt(static_cast<double>(parameter.size(-1)));
    std::uniform_real_distribution<float> uniform(static_cast<float>(-bound), static_cast<float>(bound));
    float* data = parameter.data_ptr<float>();
    for (std::int64_t i = 0; i < parameter.numel(); ++i) data[i] = uniform(random);
    parameter.requires_grad_();
  }
  return mlp;
}

void copy_parameters(const Mlp& to, const Mlp& from, double share) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < to.parameters.size(); ++i) to.parameters[i].lerp_(from.parameters[i], share);
}

/// Equal bins; the upper end belongs to the last one.
int level_of(double action, int levels) { return std::min(levels - 1, static_cast<int>(action * levels)); }

}  // namespace

struct Ddpg::Impl {
  Impl(const Environment& environment_in, const SearcherOptions& options_in)
      : environment(environment_in),
        options(options_in),
        random(options_in.seed),
        actor(make_mlp(kStateSize, random)),
        critic(make_mlp(kStateSize + 1, random)),
        target_actor(make_mlp(kStateSize, random)),
        target_critic(make_mlp(kStateSize + 1, random)),
        actor_optimizer(actor.parameters, torch::optim::AdamOptions(kActorRate)),
        critic_optimizer(critic.parameters, torch::optim::AdamOptions(kCriticRate)) {
    copy_parameters(target_actor, actor, 1);
    copy_parameters(target_critic, critic, 1);
  }

  struct Proposal {
    std::vector<float> actions;
    Assignment chosen;
    Assignment executed;
  };

  [[nodiscard]] const std::vector<Decision>& decisions() const { return environment.space().decisions(); }
  [[nodiscard]] int warm_up() const {
    return std::min(kMaxWarmUp, static_cast<int>(std::ceil(kWarmUpShare * options.evaluations)));
  }
  [[nodiscard]] double noise() const;
  float act(const State& state, double sigma);
  Proposal draw(double sigma);
  Proposal propose();
  void remember(const Proposal& proposal, double reward);
  void update();

  const Environment& environment;
  SearcherOptions options;
  std::mt19937_64 random;
  Mlp actor, critic, target_actor, target_critic;
  torch::optim::Adam actor_optimizer, critic_optimizer;
  std::vector<Proposal> asked;
  std::set<Assignment> proposed;
  std::vector<Transition> replay;
  std::size_t replay_next = 0;
  int evaluations = 0;  ///< told so far; remembered episodes do not count
  int episodes = 0;
  double baseline = 0;  ///< moving average of episode rewards
  double spread = 0;    ///< moving average of their distance from it
};

/// Falls geometrically from first to last over the evaluations after the warm-up.
double Ddpg::Impl::noise() const {
  const double learning = std::max(1, options.evaluations - warm_up());
  const double done = std::clamp((evaluations - warm_up()) / learning, 0.0, 1.0);
  return kFirstNoise * std::pow(kLastNoise / kFirstNoise, done);
}

float Ddpg::Impl::act(const State& state, double sigma) {
  if (evaluations < warm_up()) return std::uniform_real_distribution<float>(0, 1)(random);
  const at::NoGradGuard no_grad;
  const auto input = at::tensor(at::ArrayRef<float>(state.data(), state.size())).view({1, kStateSize});
  const double mean = at::sigmoid(actor.forward(input)).item<float>();
  // Truncated normal, as in HAQ; the mean is inside, so a draw soon is too.
  std::normal_distribution<double> normal(mean, sigma);
  double action = normal(random);
  while (action < 0 || action > 1) action = normal(random);
  return static_cast<float>(action);
}

Ddpg::Impl::Proposal Ddpg::Impl::draw(double sigma) {
  Proposal proposal;
  int previous_bits = 8;
  for (std::size_t step = 0; step < decisions().size(); ++step) {
    const auto& widths = decisions()[step].widths;
    const float action = act(environment.state(static_cast<int>(step), previous_bits), sigma);
    previous_bits = widths[level_of(action, static_cast<int>(widths.size()))];
    proposal.actions.push_back(action);
    proposal.chosen.push_back(previous_bits);
  }
  proposal.executed = environment.execute(proposal.chosen);
  return proposal;
}

Ddpg::Impl::Proposal Ddpg::Impl::propose() {
  double sigma = noise();
  Proposal proposal = draw(sigma);
  for (int i = 0; i < kRedraws && proposed.contains(proposal.executed); ++i) {
    sigma *= kRedrawNoise;
    proposal = draw(sigma);
  }
  proposed.insert(proposal.executed);
  return proposal;
}

/// Stores the executed policy: where projection changed a width, the action is the centre of the executed
/// one's bin.
void Ddpg::Impl::remember(const Proposal& proposal, double reward) {
  const std::size_t steps = decisions().size();
  int previous_bits = 8;
  for (std::size_t step = 0; step < steps; ++step) {
    const auto& widths = decisions()[step].widths;
    const int executed = proposal.executed[step];
    Transition transition{.state = environment.state(static_cast<int>(step), previous_bits),
                          .action = proposal.actions[step],
                          .next = {},
                          .done = step + 1 == steps,
                          .reward = reward};
    if (executed != proposal.chosen[step]) {
      const auto level = std::find(widths.begin(), widths.end(), executed) - widths.begin();
      transition.action = (static_cast<float>(level) + 0.5F) / static_cast<float>(widths.size());
    }
    if (!transition.done) transition.next = environment.state(static_cast<int>(step + 1), executed);
    previous_bits = executed;
    if (replay.size() < kReplayPerDecision * steps) {
      replay.push_back(transition);
    } else {
      replay[replay_next++ % replay.size()] = transition;
    }
  }
}

/// One step of critic and actor on a batch drawn from replay (Lillicrap et al., algorithm 1).
void Ddpg::Impl::update() {
  std::vector<float> states, actions, next_states, going_on, rewards;
  const double steps = static_cast<double>(decisions().size());
  for (int i = 0; i < kBatch; ++i) {
    const Transition& t = replay[random() % replay.size()];
    states.insert(states.end(), t.state.begin(), t.state.end());
    next_states.insert(next_states.end(), t.next.begin(), t.next.end());
    actions.push_back(t.action);
    going_on.push_back(t.done ? 0 : 1);
    const double reward = (t.reward - baseline) / std::max(spread, kSmallestSpread);
    rewards.push_back(static_cast<float>(std::clamp(reward, -kLargestReward, kLargestReward) / steps));
  }
  const auto column = [](const std::vector<float>& values) { return at::tensor(values).view({kBatch, -1}); };
  const auto state = column(states);
  at::Tensor goal;
  {
    const at::NoGradGuard no_grad;
    const auto next = column(next_states);
    const auto next_action = at::sigmoid(target_actor.forward(next));
    goal = column(rewards) +
           kDiscount * column(going_on) * target_critic.forward(at::cat({next, next_action}, 1));
  }
  critic_optimizer.zero_grad();
  at::mse_loss(critic.forward(at::cat({state, column(actions)}, 1)), goal).backward();
  critic_optimizer.step();

  actor_optimizer.zero_grad();
  (-critic.forward(at::cat({state, at::sigmoid(actor.forward(state))}, 1)).mean()).backward();
  actor_optimizer.step();

  copy_parameters(target_actor, actor, kSoftUpdate);
  copy_parameters(target_critic, critic, kSoftUpdate);
}

Ddpg::Ddpg(const Environment& environment, const SearcherOptions& options) {
  const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
  impl_ = std::make_unique<Impl>(environment, options);
}

Ddpg::~Ddpg() = default;

std::vector<host::Policy> Ddpg::ask(int at_most) {
  const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
  impl_->asked.clear();
  std::vector<host::Policy> policies;
  for (int i = 0; i < std::min(impl_->options.batch, at_most); ++i) {
    impl_->asked.push_back(impl_->propose());
    policies.push_back(impl_->environment.space().policy(impl_->asked.back().executed));
  }
  return policies;
}

void Ddpg::tell(std::span<const Episode> episodes) {
  const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    const double reward = episodes[i].reward;
    // The first episodes set the averages; later ones move them.
    const double rate = std::max(kBaselineRate, 1.0 / ++impl_->episodes);
    impl_->baseline += rate * (reward - impl_->baseline);
    impl_->spread += rate * (std::abs(reward - impl_->baseline) - impl_->spread);
    if (!episodes[i].outcome.remembered) ++impl_->evaluations;
    impl_->remember(impl_->asked.at(i), reward);
  }
  if (impl_->evaluations < impl_->warm_up() || impl_->replay.empty()) return;
  const std::size_t updates = kUpdatesPerTransition * impl_->decisions().size() * episodes.size();
  for (std::size_t i = 0; i < updates; ++i) impl_->update();
}

}  // namespace bitloop::agent
