#include "agent/evaluation/choice_effects.h"

#include <algorithm>
#include <iterator>

namespace bitloop::agent {
namespace {

/// The sum over what a choice sets.
search::MeasuredEffect effect_of(const quant::Sensitivities& found,
                                 const std::vector<PolicySpace::Setting>& settings) {
  search::MeasuredEffect sum;
  for (const PolicySpace::Setting& setting : settings) {
    const auto width = std::ranges::find(host::kWidths, setting.bits) - std::begin(host::kWidths);
    const quant::Estimate& part =
        (setting.input ? found.inputs : found.weights).at(setting.row).at(static_cast<std::size_t>(width));
    sum.value += part.value;
    sum.variance += part.variance;
  }
  return sum;
}

}  // namespace

ChoiceEffects choice_effects(const PolicySpace& space, const quant::Quantizer& quantizer,
                             const quant::Retraining& recipe, std::string_view measure,
                             const quant::SensitivityOptions& options, const quant::Progress& progress) {
  const quant::Sensitivities found =
      quant::sensitivity_measure(measure).measure(quantizer, recipe, options, progress);
  ChoiceEffects result{.passes = found.passes};
  for (int d = 0; d < space.space().size(); ++d) {
    auto& choices = result.choices.emplace_back();
    for (int choice = 0; choice < space.space().decisions[d].size(); ++choice) {
      const auto settings = space.settings(d, choice);
      const bool weights_only = std::ranges::none_of(settings, &PolicySpace::Setting::input);
      choices.push_back(
          {effect_of(found, settings), weights_only ? found.weight_images : found.input_images});
    }
  }
  return result;
}

}  // namespace bitloop::agent
