#pragma once

#include <string_view>
#include <vector>

#include "agent/environment/policy_space.h"
#include "agent/space/effects.h"
#include "quant/model/progress.h"
#include "quant/sensitivity/sensitivity.h"

namespace bitloop::agent {

/// What one of quant's measures says of every choice of a space of policies, each alone.
struct ChoiceEffects {
  struct Choice {
    search::MeasuredEffect effect{};  ///< the sum over all that it sets, in the measure's own units
    int images = 0;                   ///< that it was measured on
  };
  std::vector<std::vector<Choice>> choices{};  ///< by decision
  double passes = 0;                           ///< quant::Sensitivities::passes
};

/// Of the network that the quantizer's policies start from. Safe to call from several threads at once.
ChoiceEffects choice_effects(const PolicySpace& space, const quant::Quantizer& quantizer,
                             const quant::Retraining& recipe, std::string_view measure,
                             const quant::SensitivityOptions& options, const quant::Progress& progress = {});

}  // namespace bitloop::agent
