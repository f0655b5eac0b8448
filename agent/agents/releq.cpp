// ReLeQ (Elthakeb, Pilligundla, Mireshghallah, Yazdanbakhsh and Esmaeilzadeh: ReLeQ: A Reinforcement Learning
// Approach for Automatic Deep Quantization of Neural Networks, IEEE Micro 40(5), 2020): proximal policy
// optimization (Schulman et al. 2017) with a recurrent policy that visits the layers and names bits by a
// softmax, and a shaped, asymmetric reward of quantization and accuracy.
//
// Differs from the paper:
// - Decisions are those of the space, activations too (ReLeQ: weights alone, of 2, 3, 4, 5 and 8 bits).
// - The state of quantization is the measured cost as a share of that of 8 bits (ReLeQ: bits weighted by
//   memory and products); that of accuracy, relative to the highest assignment's, is the last episode's.
// - ReLeQ has no budget. Beyond it, the projection of the other agents is a part of the environment: what
//   was sampled is learned from the reward of what was executed.
// - One evaluation at the end of an episode pays all its steps (as ReLeQ does for networks of many layers).
// - 1,500 to 2,500 episodes are some tens here: the rate is higher, and each episode is used several times,
//   which is what the clipped objective is for.

#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>

#include "agent/agents/decision_states.h"
#include "agent/agents/names.h"
#include "agent/agents/reward.h"
#include "agent/agents/small_network.h"
#include "agent/searchers/batch.h"

namespace bitloop::agents {

using search::Answer;
using search::Assignment;
using search::Method;
using search::Problem;
using search::Query;
using search::SearcherOptions;

extern const Method releq_method;

namespace {

// Of ReLeQ's code (he-actlab/releq) where nothing else is said.
constexpr int kMemory = 128;        // values of the LSTM
constexpr int kPolicyHidden = 128;  // of each of two layers
constexpr int kValueHidden[] = {128, 64};
constexpr double kTemperature = 0.5;
constexpr double kClip = 0.3;
constexpr double kDiscount = 0.999;
constexpr double kValueWeight = 1;
constexpr double kEntropyWeight = 0.01;
constexpr double kRate = 3e-3;  // ReLeQ 1e-4
constexpr double kAdamEpsilon = 1e-5;
constexpr int kUpdates = 4;  // of a batch of episodes; ReLeQ 1
// Reward, the paper's form.
constexpr double kQuantizationPower = 0.2, kAccuracyPower = 0.4, kLeastAccuracy = 0.4;

/// Of a layer in the state; the rest of it moves: bits, quantization and accuracy.
constexpr std::string_view kFeatures[] = {"layer",  "weights",   "input_channels",
                                          "kernel", "deviation", "activation"};
constexpr int kMoving = 3;

class Releq final : public search::Searcher {
 public:
  Releq(const Problem& problem, const SearcherOptions& options);

  std::vector<Query> ask(double left) override;
  void tell(std::span<const Answer> answers) override;
  [[nodiscard]] double reward(const Answer& answer) const override;

 private:
  struct Episode {
    std::vector<float> states;           ///< [step, state]
    std::vector<std::int64_t> choices;   ///< sampled
    std::vector<float> log_likelihoods;  ///< of them, by the policy that sampled
    Assignment executed;
  };

  [[nodiscard]] int steps() const { return problem_.space.size(); }
  [[nodiscard]] int state_size() const { return static_cast<int>(features_.front().size()) + kMoving; }
  [[nodiscard]] double share(double cost) const {
    return cost / problem_.costs.reference()[problem_.objective.measure];
  }
  [[nodiscard]] double relative_accuracy(const Answer& answer) const {
    return problem_.origin.folds.empty() ? answer.accuracy()
                                         : answer.accuracy() / std::max(1e-6, problem_.origin.accuracy());
  }
  /// One step of the recurrent layer: [row, state] to [row, memory]; `cell` goes on.
  [[nodiscard]] at::Tensor remembered(const at::Tensor& state, at::Tensor& hidden, at::Tensor& cell) const {
    std::tie(hidden, cell) = at::lstm_cell(state, {hidden, cell}, network_.parts[0], network_.parts[1],
                                           network_.parts[2], network_.parts[3]);
    return hidden;
  }
  /// Logarithms of the probabilities of choices: [row, choice]; `forbidden` [row, choice] where a decision
  /// has fewer.
  [[nodiscard]] at::Tensor log_policy(const at::Tensor& memory, const at::Tensor& forbidden) const {
    return (linear_layers(std::span(network_.parts).subspan(4, 6), memory) / kTemperature)
        .masked_fill(forbidden, -1e9)
        .log_softmax(1);
  }
  [[nodiscard]] at::Tensor value(const at::Tensor& memory) const {
    return linear_layers(std::span(network_.parts).subspan(10, 6), memory);
  }
  Episode sample();
  void learn(const std::vector<Episode>& episodes, const std::vector<double>& rewards);

  Problem problem_;
  search::Ground ground_;
  int batch_;
  std::vector<State> features_;
  std::mt19937_64 random_;
  int choices_ = 0;       ///< of the decision that has most
  at::Tensor forbidden_;  ///< [step, choice]
  Parameters network_;
  torch::optim::Adam optimizer_;
  std::vector<Episode> asked_;
  Assignment current_;        ///< executed last: the bits that a decision has when it is visited
  double last_accuracy_ = 1;  ///< relative to the highest assignment's
};

Parameters make_network(int state, int choices, std::mt19937_64& random) {
  const double bound = 1 / std::sqrt(static_cast<double>(kMemory));
  std::vector<Part> parts{{{4 * kMemory, state}, bound},
                          {{4 * kMemory, kMemory}, bound},
                          {{4 * kMemory}, bound},
                          {{4 * kMemory}, bound}};
  for (const Part& part : linear_parts({kMemory, kPolicyHidden, kPolicyHidden, choices}))
    parts.push_back(part);
  for (const Part& part : linear_parts({kMemory, kValueHidden[0], kValueHidden[1], 1})) parts.push_back(part);
  return make_parameters(parts, random);
}

int most_choices(const search::Space& space) {
  int most = 0;
  for (const search::Decision& decision : space.decisions) most = std::max(most, decision.size());
  return most;
}

Releq::Releq(const Problem& problem, const SearcherOptions& options)
    : problem_(problem),
      ground_(problem_),
      batch_(search::batch_of(releq_method, options)),
      features_(decision_states(problem_.space, kFeatures)),
      random_(options.seed),
      choices_(most_choices(problem_.space)),
      forbidden_(at::zeros({steps(), choices_}, at::kBool)),
      network_(make_network(state_size(), choices_, random_)),
      optimizer_({network_.all}, torch::optim::AdamOptions(kRate).eps(kAdamEpsilon)),
      current_(problem_.space.highest()) {
  for (int d = 0; d < steps(); ++d)
    forbidden_[d]
        .narrow(0, problem_.space.decisions[d].size(), choices_ - problem_.space.decisions[d].size())
        .fill_(true);
}

/// 1 - quantization^a, times accuracy^(b / accuracy); -1 below the least accuracy.
double Releq::reward(const Answer& answer) const {
  const double accuracy = relative_accuracy(answer);
  if (accuracy < kLeastAccuracy) return -1;
  const double quantization = cost_ratio(problem_, answer);
  return (1 - std::pow(quantization, kQuantizationPower)) * std::pow(accuracy, kAccuracyPower / accuracy);
}

Releq::Episode Releq::sample() {
  const at::NoGradGuard no_grad;
  Episode episode;
  Assignment chosen = problem_.space.highest();
  at::Tensor hidden = at::zeros({1, kMemory}), cell = at::zeros({1, kMemory});
  for (int d = 0; d < steps(); ++d) {
    const search::Decision& decision = problem_.space.decisions[d];
    State state = features_[d];
    const double cost = ground_.cost(chosen);
    state.push_back(static_cast<float>(decision.choices[current_[d]].bits / kFullBits));
    state.push_back(static_cast<float>(std::isfinite(cost) ? share(cost) : 1));
    state.push_back(static_cast<float>(last_accuracy_));
    const at::Tensor logarithms =
        log_policy(remembered(at::tensor(state).view({1, -1}), hidden, cell), forbidden_.narrow(0, d, 1));
    const float* logarithm = logarithms.data_ptr<float>();
    double left = static_cast<double>(random_() >> 11) * 0x1p-53;
    int choice = 0;
    while (choice + 1 < decision.size() && (left -= std::exp(logarithm[choice])) >= 0) ++choice;
    episode.states.insert(episode.states.end(), state.begin(), state.end());
    episode.choices.push_back(choice);
    episode.log_likelihoods.push_back(logarithm[choice]);
    chosen[d] = choice;
  }
  episode.executed = ground_.projection.in_reverse(chosen);
  return episode;
}

/// The clipped objective on all steps of the episodes. With lambda 1 a step's advantage is its return, the
/// discounted reward of the end, less its value.
void Releq::learn(const std::vector<Episode>& episodes, const std::vector<double>& rewards) {
  const auto count = static_cast<std::int64_t>(episodes.size());
  std::vector<float> states, likelihoods, returns;
  std::vector<std::int64_t> choices;
  for (int d = 0; d < steps(); ++d) {  // [step, episode]
    for (std::size_t e = 0; e < episodes.size(); ++e) {
      const Episode& episode = episodes[e];
      const auto begin = episode.states.begin() + static_cast<std::ptrdiff_t>(d) * state_size();
      states.insert(states.end(), begin, begin + state_size());
      likelihoods.push_back(episode.log_likelihoods[d]);
      choices.push_back(episode.choices[d]);
      returns.push_back(static_cast<float>(std::pow(kDiscount, steps() - 1 - d) * rewards[e]));
    }
  }
  const at::Tensor all_states = at::tensor(states).view({steps(), count, state_size()});
  const at::Tensor taken = at::tensor(choices).view({-1, 1});
  const at::Tensor before = at::tensor(likelihoods).view({-1, 1});
  const at::Tensor goal = at::tensor(returns).view({-1, 1});
  const at::Tensor forbidden = forbidden_.repeat_interleave(count, 0);
  at::Tensor advantage;
  for (int update = 0; update < kUpdates; ++update) {
    at::Tensor hidden = at::zeros({count, kMemory}), cell = at::zeros({count, kMemory});
    std::vector<at::Tensor> memories;
    for (int d = 0; d < steps(); ++d) memories.push_back(remembered(all_states[d], hidden, cell));
    const at::Tensor memory = at::cat(memories);
    const at::Tensor values = value(memory);
    if (!advantage.defined()) advantage = goal - values.detach();
    const at::Tensor logarithms = log_policy(memory, forbidden);
    const at::Tensor ratio = (logarithms.gather(1, taken) - before).exp();
    const at::Tensor gain =
        at::minimum(ratio * advantage, ratio.clamp(1 - kClip, 1 + kClip) * advantage).mean();
    const at::Tensor entropy = -(logarithms.exp() * logarithms).sum(1).mean();
    network_.differentiate(kValueWeight * at::mse_loss(values, goal) - gain - kEntropyWeight * entropy);
    optimizer_.step();
  }
}

std::vector<Query> Releq::ask(double /*left*/) {
  const LearningThread learning;
  asked_.clear();
  std::vector<Assignment> assignments;
  for (int i = 0; i < batch_; ++i) {
    asked_.push_back(sample());
    assignments.push_back(asked_.back().executed);
  }
  return search::full_queries(std::move(assignments));
}

void Releq::tell(std::span<const Answer> answers) {
  const LearningThread learning;
  std::vector<double> rewards;
  for (const Answer& answer : answers) rewards.push_back(reward(answer));
  if (answers.empty()) return;
  asked_.resize(answers.size());
  learn(asked_, rewards);
  current_ = asked_.back().executed;
  last_accuracy_ = relative_accuracy(answers.back());
}

}  // namespace

const Method releq_method{
    .name = kReleq.name,
    .about = kReleq.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      const LearningThread learning;
      return std::make_unique<Releq>(problem, options);
    }};

}  // namespace bitloop::agents
