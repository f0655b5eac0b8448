#pragma once

#include <memory>

#include "agent/console/options.h"
#include "agent/evaluation/network_task.h"
#include "agent/run/laboratory.h"

namespace bitloop::learning {

/// --rules, --group, --widths, --pin.
void add_space_options(console::Options& options);
agent::SpaceSpec space_of(const console::Options& options);

/// What an evaluation takes by default.
struct RecipeDefaults {
  int epochs = 0;               ///< of retraining
  int training_images = 36000;  ///< per epoch
  int reward_images = 1000;     ///< 0: half of the reward split
};
/// --retrain-epochs, --reward-images, --statistics-images, and those of add_retraining_options.
void add_recipe_options(console::Options& options, const RecipeDefaults& defaults = {});
agent::EvaluationRecipe recipe_of(const console::Options& options);

/// Outcomes of all runs on this machine; with --fresh, null.
std::shared_ptr<agent::OutcomeStore> shared_outcomes(const console::Options& options);

/// Shows how many segments have run of those that the costs of single layers need, where that takes longer
/// than a moment.
host::SegmentMeter::Progress cost_progress();

/// A network on its data and hardware with its weights, for verbs that evaluate policies.
std::unique_ptr<agent::Laboratory> open_laboratory(const console::Options& options);

}  // namespace bitloop::learning
