#include "agent/agents/deterministic_agent.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "agent/agents/decision_states.h"

namespace bitloop::agents {

using search::Answer;
using search::Assignment;
using search::Problem;
using search::Query;
using search::SearcherOptions;

namespace {

constexpr double kBaselineRate = 0.5;  // HAQ's code, lib/rl/ddpg.py

int state_size(const std::vector<State>& states) { return static_cast<int>(states.front().size()) + 1; }

ActorCriticSettings learner_of(const DeterministicSettings& settings, const search::Space& space) {
  ActorCriticSettings learner = settings.learner;
  learner.replay = settings.replay_per_decision * space.decisions.size();
  return learner;
}

}  // namespace

DeterministicAgent::DeterministicAgent(const search::Method& method, const Problem& problem,
                                       const SearcherOptions& options, const DeterministicSettings& settings)
    : problem_(problem),
      options_(options),
      settings_(settings),
      batch_(search::batch_of(method, options)),
      ground_(problem_),
      states_(decision_states(problem_.space, settings.features)),
      random_(options.seed),
      learner_([&] {
        const LearningThread learning;
        return ActorCritic(learner_of(settings, problem_.space), state_size(states_), random_);
      }()) {}

State DeterministicAgent::state(std::size_t decision, const Assignment& assignment) const {
  State state = states_[decision];
  const double previous =
      decision == 0 ? kFullBits : decisions()[decision - 1].choices[assignment[decision - 1]].bits;
  state.push_back(static_cast<float>(previous / kFullBits));
  return state;
}

int DeterministicAgent::choice_of(double action, int choices) const {
  return std::min(choices - 1, static_cast<int>(action * choices));
}

int DeterministicAgent::warm_up() const {
  return std::min(settings_.most_warm_up,
                  static_cast<int>(std::ceil(settings_.warm_up_share * options_.evaluations)));
}

/// Falls geometrically from first to last over the evaluations after the warm-up.
double DeterministicAgent::noise() const {
  const double learning = std::max(1.0, options_.evaluations - warm_up());
  const double done = std::clamp((evaluations_ - warm_up()) / learning, 0.0, 1.0);
  return settings_.first_noise * std::pow(settings_.last_noise / settings_.first_noise, done);
}

std::vector<float> DeterministicAgent::noisy_actions(const State& state, double sigma) {
  std::vector<float> actions;
  if (evaluations_ < warm_up()) {
    for (int i = 0; i < settings_.learner.candidates; ++i)
      actions.push_back(std::uniform_real_distribution<float>(0, 1)(random_));
    return actions;
  }
  for (const double mean : learner_.actions(state)) {
    // Truncated normal, as in HAQ; the mean is inside, so a draw soon is too.
    std::normal_distribution<double> normal(mean, sigma);
    double action = normal(random_);
    while (action < 0 || action > 1) action = normal(random_);
    actions.push_back(static_cast<float>(action));
  }
  return actions;
}

DeterministicAgent::Proposal DeterministicAgent::draw(double sigma) {
  Proposal proposal;
  for (std::size_t step = 0; step < decisions().size(); ++step) {
    const std::vector<float> actions = noisy_actions(state(step, proposal.chosen), sigma);
    const int candidate = picked(step, actions);
    proposal.candidates.push_back(candidate);
    proposal.actions.push_back(actions[static_cast<std::size_t>(candidate)]);
    proposal.chosen.push_back(choice_of(proposal.actions.back(), decisions()[step].size()));
  }
  proposal.executed = projected(proposal.chosen);
  return proposal;
}

DeterministicAgent::Proposal DeterministicAgent::propose() {
  double sigma = noise();
  Proposal proposal = draw(sigma);
  for (int i = 0; i < settings_.redraws && proposed_.contains(proposal.executed); ++i) {
    sigma *= settings_.redraw_noise;
    proposal = draw(sigma);
  }
  proposed_.insert(proposal.executed);
  return proposal;
}

void DeterministicAgent::remember(const Proposal& proposal, double reward) {
  const std::size_t steps = decisions().size();
  for (std::size_t step = 0; step < steps; ++step) {
    const int executed = proposal.executed[step];
    Transition transition{.state = state(step, proposal.executed),
                          .action = proposal.actions[step],
                          .candidate = proposal.candidates[step],
                          .next = State(states_.front().size() + 1),
                          .done = step + 1 == steps,
                          .reward = reward};
    if (executed != proposal.chosen[step]) {
      transition.action =
          (static_cast<float>(executed) + 0.5F) / static_cast<float>(decisions()[step].size());
    }
    if (!transition.done) transition.next = state(step + 1, proposal.executed);
    learner_.remember(std::move(transition));
  }
}

std::vector<Query> DeterministicAgent::ask(double /*left*/) {
  const LearningThread learning;
  asked_.clear();
  std::vector<Assignment> assignments;
  for (int i = 0; i < batch_; ++i) {
    asked_.push_back(propose());
    assignments.push_back(asked_.back().executed);
  }
  return search::full_queries(std::move(assignments));
}

void DeterministicAgent::tell(std::span<const Answer> answers) {
  const LearningThread learning;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const double value = reward(answers[i]);
    see(value);
    if (!answers[i].remembered) ++evaluations_;
    remember(asked_.at(i), value);
  }
  if (evaluations_ < warm_up() || learner_.knows_nothing()) return;
  const std::size_t updates = settings_.updates_per_transition * decisions().size() * answers.size();
  for (std::size_t i = 0; i < updates; ++i)
    learner_.update(random_, [&](std::span<double> rewards) { scale(rewards); });
}

void BatchBaseline::apply(std::span<double> rewards, double divisor) {
  const double mean =
      std::accumulate(rewards.begin(), rewards.end(), 0.0) / static_cast<double>(rewards.size());
  baseline_ = known_ ? baseline_ + kBaselineRate * (mean - baseline_) : mean;
  known_ = true;
  for (double& reward : rewards) reward = (reward - baseline_) / divisor;
}

}  // namespace bitloop::agents
