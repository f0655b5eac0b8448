// Deep deterministic policy gradient over a space's decisions, after HAQ (Wang et al., CVPR 2019) and the CMC
// 2024 paper, made to learn within some tens of evaluations: `haq` and `cmc2024` have the papers' own
// constants.
//
// Differs from HAQ's code where that is known to be wrong: the state's previous bits are those of the
// executed assignment and belong to one episode; replay holds what was executed after projection, not what
// was proposed; choices come from equal bins; each step gets its share of the reward; terminal states have no
// successor; noise falls over the planned evaluations. Uses LibTorch on one thread.

#include <algorithm>
#include <cmath>

#include "agent/agents/ddpg.h"
#include "agent/agents/decision_states.h"
#include "agent/agents/names.h"

namespace bitloop::agents {

using search::Answer;
using search::Problem;
using search::SearcherOptions;

extern const search::Method ddpg_method;

namespace {

constexpr double kBaselineRate =
    0.1;  // weight of a new episode in the moving averages of reward and its spread
constexpr double kSmallestSpread = 1e-6;
constexpr double kLargestReward =
    3;  // spreads; an old outlier would outweigh all else once the spread has fallen

}  // namespace

// HAQ = mit-han-lab/haq@8228d12; where another value stands, the reason follows.
const DeterministicSettings kDdpgSettings{
    .learner = {.hidden = 64,         // HAQ 300; as much as some hundred transitions can fill
                .critic_rate = 1e-3,  // HAQ
                .actor_rate = 1e-3,   // HAQ 1e-4 for 600 episodes; with a tenth of them it hardly moves
                .soft_update = 0.05,  // HAQ 0.01; as above
                .discount = 1,        // HAQ
                .batch = 64},         // HAQ
    .replay_per_decision = 2048,      // HAQ 64 episodes: we keep every episode of such short runs
    .updates_per_transition = 4,      // HAQ 1; as above
    .first_noise = 0.5,               // HAQ
    .last_noise = 0.08,               // a third of a bin's width (0.25): neighbours are still tried
    .warm_up_share = 0.2,             // HAQ 20 of 600 episodes, at most as many
    .most_warm_up = 20,               // HAQ
    .redraws = 8,                     // a policy that was told already teaches nothing: draw again,
    .redraw_noise = 1.3,              // with this much more noise each time
    .features = kTable2};

double Ddpg::reward(const Answer& answer) const {
  return reward_(answer.accuracy(), cost_ratio(problem(), answer));
}

/// The first episodes set the averages; later ones move them.
void Ddpg::see(double reward) {
  const double rate = std::max(kBaselineRate, 1.0 / ++episodes_);
  baseline_ += rate * (reward - baseline_);
  spread_ += rate * (std::abs(reward - baseline_) - spread_);
}

void Ddpg::scale(std::span<double> rewards) {
  const auto steps = static_cast<double>(decisions().size());
  for (double& reward : rewards) {
    const double distance = (reward - baseline_) / std::max(spread_, kSmallestSpread);
    reward = std::clamp(distance, -kLargestReward, kLargestReward) / steps;
  }
}

const search::Method ddpg_method{
    .name = kDdpg.name,
    .about = kDdpg.about,
    .batch = 2,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Ddpg>(ddpg_method, problem, options, kDdpgSettings);
    }};

}  // namespace bitloop::agents
