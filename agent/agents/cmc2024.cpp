// Wang, Ma, Yang, Yang and Wei: Reinforcement Learning Based Quantization Strategy Optimal Assignment
// Algorithm for Mixed Precision (Computers, Materials & Continua 79(1), 2024): its state (Table 2), reward
// (3.2.2) and order of projection (3.3.1). The paper does not name its agent; what it shows follows HAQ, so
// this is HAQ's DDPG with HAQ's constants (haq.cpp, which lists what it does otherwise).
//
// The rest of the paper are options of the search: tied pairs (8,8), (4,4), (2,1) of a layer's input and
// weights (4.2) by --rules tied; symmetric quantizer and activation equalization (3.3.2) by --quantizer
// symmetric; budget, episodes and retraining (4.2, 4.3.1) by --budget, --episodes, --retrain-epochs,
// --learning-rate and --learning-rate-decay; the guide file (3.3.2) by `bitloop export`.
//
// Differs from the paper:
// - The reward has the guards of reward.h, and its accuracies are those of the reward split.
// - The reward is the third branch, 10 acc + 1 / cost_ratio: the only one that gives a printed reward from
//   printed accuracy and ratio (4.3.2: 10 * 0.776 + 1 / 0.775 = 9.05). --acc-limit selects the first two;
//   `cmc2024:gap-reward` is the fourth, 1 / (acc_origin - acc).
// - Steps of the projection that save no measured cycle are not taken.
//
// Ablations: `cmc2024:no-weight-deviation` sees no standard deviation of weights (Table 8);
// `cmc2024:haq-reward` learns from HAQ's reward, which knows no cost, in place of the optimized one (Table 9,
// which does not say what it compares with).

#include "agent/agents/decision_states.h"
#include "agent/agents/haq.h"
#include "agent/agents/names.h"
#include "agent/agents/reward.h"

namespace bitloop::agents {

using search::Answer;
using search::Method;
using search::Problem;
using search::SearcherOptions;

extern const Method cmc2024_method, cmc2024_no_weight_deviation_method, cmc2024_gap_reward_method,
    cmc2024_haq_reward_method;

namespace {

struct Variant {
  std::span<const std::string_view> state = kTable2;
  bool cost_counts = true;
  bool haq_reward = false;
};

class Cmc2024 final : public DeterministicAgent {
 public:
  Cmc2024(const Method& method, const Problem& problem, SearcherOptions options, const Variant& variant)
      : DeterministicAgent(method, problem, options, haq_settings(variant.state)),
        haq_reward_(variant.haq_reward) {
    options.cost_in_reward = variant.cost_counts;
    if (!variant.cost_counts) options.accuracy_limit.reset();
    reward_ = reward_of(problem, options);
  }

  [[nodiscard]] double reward(const Answer& answer) const override {
    return haq_reward_ ? haq_reward(problem(), answer)
                       : reward_(answer.accuracy(), cost_ratio(problem(), answer));
  }

 protected:
  void scale(std::span<double> rewards) override {
    baseline_.apply(rewards, static_cast<double>(decisions().size()));
  }

 private:
  Reward reward_;
  bool haq_reward_;
  BatchBaseline baseline_;
};

}  // namespace

const Method cmc2024_method{
    .name = kCmc2024.name,
    .about = kCmc2024.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Cmc2024>(cmc2024_method, problem, options, Variant{});
    }};
const Method cmc2024_no_weight_deviation_method{
    .name = kCmc2024NoWeightDeviation.name,
    .about = kCmc2024NoWeightDeviation.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Cmc2024>(cmc2024_no_weight_deviation_method, problem, options,
                                       Variant{.state = kTable2WithoutDeviation});
    }};
const Method cmc2024_gap_reward_method{
    .name = kCmc2024GapReward.name,
    .about = kCmc2024GapReward.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Cmc2024>(cmc2024_gap_reward_method, problem, options,
                                       Variant{.cost_counts = false});
    }};
const Method cmc2024_haq_reward_method{
    .name = kCmc2024HaqReward.name,
    .about = kCmc2024HaqReward.about,
    .batch = 2,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Cmc2024>(cmc2024_haq_reward_method, problem, options,
                                       Variant{.haq_reward = true});
    }};

}  // namespace bitloop::agents
