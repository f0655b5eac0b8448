// HAQ (Wang, Liu, Lin, Lin and Han: HAQ: Hardware-Aware Automated Quantization with Mixed Precision, CVPR
// 2019), with its constants. `haq` has the faults of its published code mended, `haq:as-published` has them.
//
// Both differ from the paper in this:
// - Decisions are those of the space: a layer's weights, then the tensors that it produces (HAQ: weights,
//   then the layer's own input). The last layer and the image are pinned where --rules or --pin say so.
// - Widths are 1, 2, 4, 8 (HAQ: every one of 2 to 8). An action names one by equal bins.
// - Its 600 episodes are the evaluations that the search is planned for: noise falls as far in fewer, and
//   warm-up is at most a fifth of them.
// - Queries come in pairs, so that two cores have work.
// - Costs are those that the hardware counts, not a table's; accuracy is that of the evaluation's recipe on
//   the reward split (HAQ's linear quantizer: the running accuracy of the epoch that it trains).
//
// Mended, and kept in `haq:as-published`:
// - The flag of weight or activation is overwritten: the first decision of an episode has it set.
// - The first state of an episode still has the bits that the episode before gave the first decision.
// - Replay holds the proposed action, and states the proposed bits, with the projected policy's reward.
// - Every step is paid the whole reward, with a discount of 1, so that values grow with the steps to go.
// - Actions are rounded half to even, so that the bins at the ends may overflow.
// - The projection lowers choices that save nothing.

#include "agent/agents/haq.h"

#include <algorithm>
#include <cmath>

#include "agent/agents/decision_states.h"
#include "agent/agents/names.h"

namespace bitloop::agents {

using search::Answer;
using search::Assignment;
using search::Method;
using search::Problem;
using search::SearcherOptions;

extern const Method haq_method, haq_as_published_method;

namespace {

constexpr int kHidden = 300;
constexpr double kCriticRate = 1e-3, kActorRate = 1e-4;
constexpr double kSoftUpdate = 0.01;
constexpr double kDiscount = 1;
constexpr int kBatch = 64;
constexpr int kWarmUp = 20;           // episodes
constexpr int kEpisodes = 600;        // of a search
constexpr double kFirstNoise = 0.5;   // of an action
constexpr double kNoiseDecay = 0.99;  // per episode
constexpr std::size_t kReplay = 64;   // episodes
constexpr double kRewardScale = 0.1;  // of percent of accuracy
constexpr double kWarmUpShare = 0.2;  // of the evaluations

class Haq : public DeterministicAgent {
 public:
  Haq(const Method& method, const Problem& problem, const SearcherOptions& options)
      : DeterministicAgent(method, problem, options, haq_settings(kHaqFeatures)) {}

  [[nodiscard]] double reward(const Answer& answer) const override { return haq_reward(problem(), answer); }

 protected:
  void scale(std::span<double> rewards) override {
    baseline_.apply(rewards, static_cast<double>(decisions().size()));
  }

  BatchBaseline baseline_;
};

class HaqAsPublished final : public Haq {
 public:
  using Haq::Haq;

  std::vector<search::Query> ask(double left) override {
    last_bits_ = next_bits_;
    return Haq::ask(left);
  }

 protected:
  [[nodiscard]] State state(std::size_t decision, const Assignment& assignment) const override {
    State state = Haq::state(decision, assignment);
    if (decision > 0) return state;
    state.back() = last_bits_;
    const auto flag = std::ranges::find(problem().space.features, kHaqFeatures[std::size(kHaqFeatures) - 1]);
    if (flag != problem().space.features.end()) state[state.size() - 2] = 1;
    return state;
  }
  [[nodiscard]] int choice_of(double action, int choices) const override {
    return std::clamp(static_cast<int>(std::nearbyint(action * choices - 0.5)), 0, choices - 1);
  }
  [[nodiscard]] Assignment projected(const Assignment& chosen) const override {
    Assignment assignment = chosen;
    const auto& cost = ground().cost;
    for (bool lowered = true; lowered && cost(assignment) > problem().objective.limit;) {
      lowered = false;
      for (int d = problem().space.size() - 1; d >= 0 && cost(assignment) > problem().objective.limit; --d) {
        if (assignment[d] == 0) continue;
        --assignment[d];
        lowered = true;
      }
    }
    return Haq::projected(assignment);  // where the lowest choices do not suffice, or cannot be run
  }
  void remember(const Proposal& proposal, double reward) override {
    const std::size_t steps = decisions().size();
    for (std::size_t step = 0; step < steps; ++step) {
      const bool done = step + 1 == steps;
      State own = state(step, proposal.chosen);
      const std::size_t size = own.size();
      learner().remember({.state = std::move(own),
                          .action = proposal.actions[step],
                          .next = done ? State(size) : state(step + 1, proposal.chosen),
                          .done = done,
                          .reward = reward});
    }
    next_bits_ = static_cast<float>(decisions().front().choices[proposal.chosen.front()].bits) / kFullBits;
  }
  void scale(std::span<double> rewards) override { baseline_.apply(rewards, 1); }

 private:
  float last_bits_ = 1;  ///< what the episodes of this batch begin with; and those of the next one
  float next_bits_ = 1;
};

template <typename Agent, const Method& method>
std::unique_ptr<search::Searcher> make(const Problem& problem, const SearcherOptions& options) {
  return std::make_unique<Agent>(method, problem, options);
}

}  // namespace

DeterministicSettings haq_settings(std::span<const std::string_view> features) {
  return {.learner = {.hidden = kHidden,
                      .critic_rate = kCriticRate,
                      .actor_rate = kActorRate,
                      .soft_update = kSoftUpdate,
                      .discount = kDiscount,
                      .batch = kBatch},
          .replay_per_decision = kReplay,
          .first_noise = kFirstNoise,
          .last_noise = kFirstNoise * std::pow(kNoiseDecay, kEpisodes - kWarmUp),
          .warm_up_share = kWarmUpShare,
          .most_warm_up = kWarmUp,
          .features = features};
}

double haq_reward(const Problem& problem, const Answer& answer) {
  const Answer& origin = problem.origin;
  return kRewardScale * 100 * (answer.accuracy() - (origin.folds.empty() ? 1 : origin.accuracy()));
}

const Method haq_method{.name = kHaq.name,
                        .about = kHaq.about,
                        .batch = 2,
                        .most_accurate_only = true,
                        .make = make<Haq, haq_method>};
const Method haq_as_published_method{.name = kHaqAsPublished.name,
                                     .about = kHaqAsPublished.about,
                                     .batch = 2,
                                     .most_accurate_only = true,
                                     .make = make<HaqAsPublished, haq_as_published_method>};

}  // namespace bitloop::agents
