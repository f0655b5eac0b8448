#pragma once

#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "agent/agents/actor_critic.h"
#include "agent/searchers/batch.h"

namespace bitloop::agents {

/// What DDPG learns by on a space, beside its networks.
struct DeterministicSettings {
  ActorCriticSettings learner{};  ///< `replay` is set by `replay_per_decision`
  std::size_t replay_per_decision = 64;
  int updates_per_transition = 1;
  double first_noise = 0.5;    ///< standard deviation of what is added to an action
  double last_noise = 0.05;    ///< to which it falls, geometrically, over the planned evaluations
  double warm_up_share = 0.2;  ///< of the planned evaluations, at most `most_warm_up`: uniform actions
  int most_warm_up = 20;
  int redraws = 0;          ///< of a policy that was proposed before and teaches nothing
  double redraw_noise = 1;  ///< by which each has more noise
  std::span<const std::string_view> features{};
};

/// DDPG over a space's decisions, as HAQ introduced it (Wang et al., CVPR 2019): an episode visits the
/// decisions in order, an action in 0..1 names a choice by equal bins, the whole is projected onto the limit,
/// its reward comes at the end. What an agent does otherwise it overrides.
class DeterministicAgent : public search::Searcher {
 public:
  DeterministicAgent(const search::Method& method, const search::Problem& problem,
                     const search::SearcherOptions& options, const DeterministicSettings& settings);

  std::vector<search::Query> ask(double left) override;
  void tell(std::span<const search::Answer> answers) override;

 protected:
  struct Proposal {
    std::vector<float> actions;   ///< per decision
    std::vector<int> candidates;  ///< of which each came
    search::Assignment chosen;
    search::Assignment executed;  ///< after projection
  };

  /// Of the decision behind those that `assignment` has made: its features, then the bits of the one before
  /// as a share of 8, for the first decision 1.
  [[nodiscard]] virtual State state(std::size_t decision, const search::Assignment& assignment) const;
  /// Equal bins; the upper end belongs to the last one.
  [[nodiscard]] virtual int choice_of(double action, int choices) const;
  /// Of the actor's actions, noise added, the index of the one that is taken.
  virtual int picked(std::size_t /*decision*/, std::span<const float> /*actions*/) { return 0; }
  [[nodiscard]] virtual search::Assignment projected(const search::Assignment& chosen) const {
    return ground_.projection.in_reverse(chosen);
  }
  /// Takes what came of a proposal into replay: the executed decisions, at the centre of a choice's bin where
  /// projection changed it.
  virtual void remember(const Proposal& proposal, double reward);
  /// A batch's rewards, as they came, become what the critic learns from.
  virtual void scale(std::span<double> rewards) = 0;
  /// Told each episode's reward before it is remembered.
  virtual void see(double /*reward*/) {}

  [[nodiscard]] const std::vector<search::Decision>& decisions() const { return problem_.space.decisions; }
  [[nodiscard]] const search::Problem& problem() const { return problem_; }
  [[nodiscard]] const search::SearcherOptions& options() const { return options_; }
  [[nodiscard]] const search::Ground& ground() const { return ground_; }
  [[nodiscard]] ActorCritic& learner() { return learner_; }

 private:
  [[nodiscard]] int warm_up() const;
  [[nodiscard]] double noise() const;
  [[nodiscard]] std::vector<float> noisy_actions(const State& state, double sigma);
  Proposal draw(double sigma);
  Proposal propose();

  search::Problem problem_;
  search::SearcherOptions options_;
  DeterministicSettings settings_;
  int batch_;
  search::Ground ground_;
  std::vector<State> states_;
  std::mt19937_64 random_;
  ActorCritic learner_;
  std::vector<Proposal> asked_;
  std::set<search::Assignment> proposed_;
  int evaluations_ = 0;  ///< told so far; remembered ones do not count
};

/// HAQ's reward scale: rewards less a baseline, the moving average of batches' means.
class BatchBaseline {
 public:
  /// Takes the baseline off, and divides by `divisor`.
  void apply(std::span<double> rewards, double divisor);

 private:
  double baseline_ = 0;
  bool known_ = false;
};

}  // namespace bitloop::agents
