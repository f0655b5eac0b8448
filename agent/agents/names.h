#pragma once

#include <string_view>

namespace bitloop::agents {

/// What a method of this room calls itself, for programs that start without LibTorch.
struct About {
  std::string_view name;
  std::string_view about;     ///< as search::Method::about
  bool takes_reward = false;  ///< SearcherOptions::cost_in_reward and accuracy_limit shape its reward
};

inline constexpr About kDdpg{
    "ddpg", "deep deterministic policy gradient (HAQ 2019; the CMC 2024 paper), for tens of evaluations",
    true};
inline constexpr About kCmc2024{
    "cmc2024", "the CMC 2024 paper (Wang, Ma et al.): HAQ's agent, its own state and reward", true};
inline constexpr About kCmc2024NoWeightDeviation{
    "cmc2024:no-weight-deviation", "the same without the deviation of weights in its state", true};
inline constexpr About kCmc2024HaqReward{"cmc2024:haq-reward", "the same with HAQ's reward, without cost"};
inline constexpr About kCmc2024GapReward{"cmc2024:gap-reward",
                                         "the same with its fourth reward, 1 / (loss of accuracy)"};
inline constexpr About kHaq{"haq", "HAQ (Wang et al. 2019), the faults of its code mended"};
inline constexpr About kHaqAsPublished{"haq:as-published", "the same with those faults"};
inline constexpr About kReleq{"releq", "ReLeQ (Elthakeb et al. 2020): proximal policy optimization, LSTM"};
inline constexpr About kAdrl{"adrl", "ADRL (Ning et al. 2021): ddpg, augmented by a profile of losses"};
inline constexpr About kAdrlReverseProjection{"adrl:reverse-projection",
                                              "adrl with ddpg's projection, from the last decision on"};
inline constexpr About kAdrlDistance{"adrl:distance",
                                     "adrl by how far quantized values lie from the float ones"};

/// All of them, in the order in which `register_agents` adds them.
inline constexpr About kAgents[] = {kDdpg,
                                    kCmc2024,
                                    kCmc2024NoWeightDeviation,
                                    kCmc2024HaqReward,
                                    kCmc2024GapReward,
                                    kHaq,
                                    kHaqAsPublished,
                                    kReleq,
                                    kAdrl,
                                    kAdrlDistance,
                                    kAdrlReverseProjection};

}  // namespace bitloop::agents
