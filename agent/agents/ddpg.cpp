// Deep deterministic policy gradient over a space's decisions, after HAQ (Wang et al., CVPR 2019) and the CMC
// 2024 paper: one step per decision, the action in [0,1] names a choice, the episode's reward comes at its
// end.
//
// Differs from HAQ's code where that is known to be wrong: the state's previous bits are those of the
// executed assignment and belong to one episode; replay holds what was executed after projection, not what
// was proposed; choices come from equal bins; each step gets its share of the reward; terminal states have no
// successor; noise falls over the planned evaluations. Uses LibTorch on one thread.

#include <torch/optim/adam.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>

#include "agent/agents/names.h"
#include "agent/agents/reward.h"
#include "agent/searchers/batch.h"
#include "quant/tensor/threads.h"

namespace bitloop::agents {

using search::Answer;
using search::Assignment;
using search::Problem;
using search::Query;
using search::SearcherOptions;

extern const search::Method ddpg_method;

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

/// A decision's features, all in 0..1, then the bits of the one before it / kFullBits.
using State = std::vector<float>;
constexpr double kFullBits = 8;  ///< also what the first decision sees

struct Transition {
  State state{};
  float action = 0;
  State next{};  ///< zeros where done
  bool done = false;
  double reward = 0;  ///< of the whole episode, as it came
};

/// Three linear layers with ReLU between. Parameters lie in one piece, and so do their gradients: such small
/// networks spend their time on the number of operations. Shared with whoever copies it.
struct Mlp {
  at::Tensor all;                      ///< every parameter; has a gradient from the start
  std::vector<at::Tensor> parameters;  ///< in `all`: weight [out, in] and bias [out] of each layer

  /// [row, input] to [row, 1].
  [[nodiscard]] at::Tensor forward(at::Tensor x) const {
    for (std::size_t i = 0; i < parameters.size(); i += 2) {
      if (i > 0) x = x.relu();
      x = at::addmm(parameters[i + 1], x, parameters[i].t());
    }
    return x;
  }
  /// Sets the gradient of a loss for these parameters, and of none else that it depends on.
  void differentiate(const at::Tensor& loss) const {
    all.grad().zero_();
    loss.backward({}, c10::nullopt, /*create_graph=*/false, at::TensorList(parameters));
  }
};

/// Weights come from `random`, not from LibTorch's global generator, which the evaluations may use meanwhile.
Mlp make_mlp(int inputs, std::mt19937_64& random) {
  std::vector<std::vector<std::int64_t>> shapes;
  const std::array<std::int64_t, 4> widths{inputs, kHidden, kHidden, 1};
  for (std::size_t layer = 1; layer < widths.size(); ++layer) {
    shapes.push_back({widths[layer], widths[layer - 1]});
    shapes.push_back({widths[layer]});
  }
  std::vector<std::int64_t> sizes;
  for (const auto& shape : shapes) sizes.push_back(c10::multiply_integers(shape));
  Mlp mlp{.all = at::zeros({c10::sum_integers(sizes)}), .parameters = {}};
  mlp.all.mutable_grad() = at::zeros_like(mlp.all);
  mlp.parameters = mlp.all.split_with_sizes(sizes);
  const auto gradients = mlp.all.grad().split_with_sizes(sizes);
  for (std::size_t p = 0; p < shapes.size(); ++p) {
    // The last layer starts small, so that first actions are near the middle (DDPG, Lillicrap et al., section
    // 7).
    const bool last_layer = shapes[p].front() == 1;
    const double bound = last_layer ? 3e-3 : 1 / std::sqrt(static_cast<double>(shapes[p].back()));
    std::uniform_real_distribution<float> uniform(static_cast<float>(-bound), static_cast<float>(bound));
    at::Tensor& parameter = mlp.parameters[p];
    parameter = parameter.view(shapes[p]);
    float* data = parameter.data_ptr<float>();
    for (std::int64_t i = 0; i < parameter.numel(); ++i) data[i] = uniform(random);
    parameter.requires_grad_();
    parameter.mutable_grad() = gradients[p].view(shapes[p]);
  }
  return mlp;
}

/// Equal bins; the upper end belongs to the last one.
int choice_of(double action, int choices) {
  return std::min(choices - 1, static_cast<int>(action * choices));
}

/// Of each decision; where the space has none, its place in the order, with which those of networks begin.
std::vector<State> features_of(const search::Space& space) {
  std::vector<State> features;
  for (int d = 0; d < space.size(); ++d) {
    const auto& own = space.decisions[d].features;
    features.emplace_back(own.begin(), own.end());
    if (space.features.empty()) features.back() = {static_cast<float>(d) / static_cast<float>(space.size())};
  }
  return features;
}

class Ddpg : public search::Searcher {
 public:
  Ddpg(const Problem& problem, const SearcherOptions& options)
      : problem_(problem),
        options_(options),
        ground_(problem),
        reward_(reward_of(problem, options)),
        features_(features_of(problem.space)),
        random_(options.seed),
        actor_(make_mlp(state_size(), random_)),
        critic_(make_mlp(state_size() + 1, random_)),
        target_actor_(make_mlp(state_size(), random_)),
        target_critic_(make_mlp(state_size() + 1, random_)),
        actor_optimizer_({actor_.all}, torch::optim::AdamOptions(kActorRate)),
        critic_optimizer_({critic_.all}, torch::optim::AdamOptions(kCriticRate)) {
    target_actor_.all.copy_(actor_.all);
    target_critic_.all.copy_(critic_.all);
  }

  std::vector<Query> ask(double left) override;
  void tell(std::span<const Answer> answers) override;
  [[nodiscard]] double reward(const Answer& answer) const override {
    const search::Measure measure = problem_.objective.measure;
    return reward_(answer.accuracy(), answer.costs[measure] / problem_.costs.reference()[measure]);
  }

 private:
  struct Proposal {
    std::vector<float> actions;
    Assignment chosen;
    Assignment executed;
  };

  [[nodiscard]] const std::vector<search::Decision>& decisions() const { return problem_.space.decisions; }
  [[nodiscard]] int state_size() const { return static_cast<int>(features_.front().size()) + 1; }
  [[nodiscard]] int warm_up() const {
    return std::min(kMaxWarmUp, static_cast<int>(std::ceil(kWarmUpShare * options_.evaluations)));
  }
  /// Of a decision behind those that `assignment` has made.
  [[nodiscard]] State state(std::size_t decision, const Assignment& assignment) const;
  [[nodiscard]] double noise() const;
  float act(const State& state, double sigma);
  Proposal draw(double sigma);
  Proposal propose();
  void remember(const Proposal& proposal, double reward);
  void update();

  Problem problem_;
  SearcherOptions options_;
  search::Ground ground_;
  Reward reward_;
  std::vector<State> features_;
  std::mt19937_64 random_;
  Mlp actor_, critic_, target_actor_, target_critic_;
  torch::optim::Adam actor_optimizer_, critic_optimizer_;
  std::vector<Proposal> asked_;
  std::set<Assignment> proposed_;
  std::vector<Transition> replay_;
  std::size_t replay_next_ = 0;
  int evaluations_ = 0;  ///< told so far; remembered episodes do not count
  int episodes_ = 0;
  double baseline_ = 0;  ///< moving average of episode rewards
  double spread_ = 0;    ///< moving average of their distance from it
};

State Ddpg::state(std::size_t decision, const Assignment& assignment) const {
  State state = features_[decision];
  const double previous =
      decision == 0 ? kFullBits : decisions()[decision - 1].choices[assignment[decision - 1]].bits;
  state.push_back(static_cast<float>(previous / kFullBits));
  return state;
}

/// Falls geometrically from first to last over the evaluations after the warm-up.
double Ddpg::noise() const {
  const double learning = std::max(1.0, options_.evaluations - warm_up());
  const double done = std::clamp((evaluations_ - warm_up()) / learning, 0.0, 1.0);
  return kFirstNoise * std::pow(kLastNoise / kFirstNoise, done);
}

float Ddpg::act(const State& state, double sigma) {
  if (evaluations_ < warm_up()) return std::uniform_real_distribution<float>(0, 1)(random_);
  const at::NoGradGuard no_grad;
  const double mean = at::sigmoid(actor_.forward(at::tensor(state).view({1, -1}))).item<float>();
  // Truncated normal, as in HAQ; the mean is inside, so a draw soon is too.
  std::normal_distribution<double> normal(mean, sigma);
  double action = normal(random_);
  while (action < 0 || action > 1) action = normal(random_);
  return static_cast<float>(action);
}

Ddpg::Proposal Ddpg::draw(double sigma) {
  Proposal proposal;
  for (std::size_t step = 0; step < decisions().size(); ++step) {
    const float action = act(state(step, proposal.chosen), sigma);
    proposal.actions.push_back(action);
    proposal.chosen.push_back(choice_of(action, decisions()[step].size()));
  }
  proposal.executed = ground_.projection.in_reverse(proposal.chosen);
  return proposal;
}

Ddpg::Proposal Ddpg::propose() {
  double sigma = noise();
  Proposal proposal = draw(sigma);
  for (int i = 0; i < kRedraws && proposed_.contains(proposal.executed); ++i) {
    sigma *= kRedrawNoise;
    proposal = draw(sigma);
  }
  proposed_.insert(proposal.executed);
  return proposal;
}

/// Stores the executed assignment: where projection changed a choice, the action is the centre of the
/// executed one's bin.
void Ddpg::remember(const Proposal& proposal, double reward) {
  const std::size_t steps = decisions().size();
  for (std::size_t step = 0; step < steps; ++step) {
    const int executed = proposal.executed[step];
    Transition transition{.state = state(step, proposal.executed),
                          .action = proposal.actions[step],
                          .next = State(static_cast<std::size_t>(state_size())),
                          .done = step + 1 == steps,
                          .reward = reward};
    if (executed != proposal.chosen[step]) {
      transition.action =
          (static_cast<float>(executed) + 0.5F) / static_cast<float>(decisions()[step].size());
    }
    if (!transition.done) transition.next = state(step + 1, proposal.executed);
    if (replay_.size() < kReplayPerDecision * steps) {
      replay_.push_back(std::move(transition));
    } else {
      replay_[replay_next_++ % replay_.size()] = std::move(transition);
    }
  }
}

/// One step of critic and actor on a batch drawn from replay (Lillicrap et al., algorithm 1).
void Ddpg::update() {
  std::vector<float> states, actions, next_states, going_on, rewards;
  const double steps = static_cast<double>(decisions().size());
  for (int i = 0; i < kBatch; ++i) {
    const Transition& t = replay_[random_() % replay_.size()];
    states.insert(states.end(), t.state.begin(), t.state.end());
    next_states.insert(next_states.end(), t.next.begin(), t.next.end());
    actions.push_back(t.action);
    going_on.push_back(t.done ? 0 : 1);
    const double reward = (t.reward - baseline_) / std::max(spread_, kSmallestSpread);
    rewards.push_back(static_cast<float>(std::clamp(reward, -kLargestReward, kLargestReward) / steps));
  }
  const auto column = [](const std::vector<float>& values) { return at::tensor(values).view({kBatch, -1}); };
  const auto state = column(states);
  at::Tensor goal;
  {
    const at::NoGradGuard no_grad;
    const auto next = column(next_states);
    const auto next_action = at::sigmoid(target_actor_.forward(next));
    goal = column(rewards) +
           kDiscount * column(going_on) * target_critic_.forward(at::cat({next, next_action}, 1));
  }
  critic_.differentiate(at::mse_loss(critic_.forward(at::cat({state, column(actions)}, 1)), goal));
  critic_optimizer_.step();

  actor_.differentiate(-critic_.forward(at::cat({state, at::sigmoid(actor_.forward(state))}, 1)).mean());
  actor_optimizer_.step();

  target_actor_.all.lerp_(actor_.all, kSoftUpdate);
  target_critic_.all.lerp_(critic_.all, kSoftUpdate);
}

std::vector<Query> Ddpg::ask(double /*left*/) {
  const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
  asked_.clear();
  std::vector<Assignment> assignments;
  for (int i = 0; i < search::batch_of(ddpg_method, options_); ++i) {
    asked_.push_back(propose());
    assignments.push_back(asked_.back().executed);
  }
  return search::full_queries(std::move(assignments));
}

void Ddpg::tell(std::span<const Answer> answers) {
  const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const double value = reward(answers[i]);
    // The first episodes set the averages; later ones move them.
    const double rate = std::max(kBaselineRate, 1.0 / ++episodes_);
    baseline_ += rate * (value - baseline_);
    spread_ += rate * (std::abs(value - baseline_) - spread_);
    if (!answers[i].remembered) ++evaluations_;
    remember(asked_.at(i), value);
  }
  if (evaluations_ < warm_up() || replay_.empty()) return;
  const std::size_t updates = kUpdatesPerTransition * decisions().size() * answers.size();
  for (std::size_t i = 0; i < updates; ++i) update();
}

}  // namespace

const search::Method ddpg_method{
    .name = kDdpg.name,
    .about = kDdpg.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      const quant::TorchThreads one_thread(1);  // cores belong to the evaluations
      return std::make_unique<Ddpg>(problem, options);
    }};

}  // namespace bitloop::agents
