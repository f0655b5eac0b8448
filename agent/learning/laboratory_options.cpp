#include "agent/learning/laboratory_options.h"

#include <fmt/format.h>

#include <mutex>
#include <optional>

#include "agent/console/progress.h"
#include "agent/learning/task_options.h"
#include "host/base/option_text.h"

namespace bitloop::learning {

void add_space_options(console::Options& options) {
  options.text("rules", "free",
               "free (every width), tied ((input, weight) bits (8,8), (4,4), (2,1)), ends8 (first and "
               "last layer keep 8 bits)");
  options.text("group", "none", "what shares one choice: none, layer (weights and input), block, stage");
  options.text("widths", "1,2,4,8", "that may be chosen, separated by commas");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
}

agent::SpaceSpec space_of(const console::Options& options) {
  agent::SpaceSpec spec{.rules = options.text_of("rules"),
                        .group = options.text_of("group"),
                        .widths = {},
                        .pinned = options.words("pin", {})};
  for (const std::string& word : options.words("widths", {"1", "2", "4", "8"}))
    spec.widths.push_back(std::stoi(word));
  return spec;
}

void add_recipe_options(console::Options& options, const RecipeDefaults& defaults) {
  const quant::Retraining d;
  options.integer("retrain-epochs", defaults.epochs, "epochs of retraining per evaluation");
  options.integer("reward-images", defaults.reward_images,
                  "images of the reward split per evaluation (0: half of them)");
  options.integer("statistics-images", d.calibration_images, "training images for scales and statistics");
  add_retraining_options(options, defaults.training_images);
}

agent::EvaluationRecipe recipe_of(const console::Options& options) {
  agent::EvaluationRecipe recipe;
  recipe.retraining = retraining_of(options);
  recipe.retraining.epochs = static_cast<int>(options.integer_of("retrain-epochs", 0, 10'000));
  recipe.retraining.calibration_images =
      static_cast<int>(options.integer_of("statistics-images", 1, 1'000'000));
  recipe.reward_images = static_cast<int>(options.integer_of("reward-images", 0, 100'000'000));
  return recipe;
}

std::shared_ptr<agent::OutcomeStore> shared_outcomes(const console::Options& options) {
  const auto warn = [](const std::string& line) { fmt::print(stderr, "bitloop: warning: {}\n", line); };
  if (options.is_set("fresh")) return nullptr;
  return std::make_shared<agent::OutcomeStore>(agent::OutcomeStore::default_path(), warn);
}

host::SegmentMeter::Progress cost_progress() {
  struct Shared {
    std::mutex mutex;  // several hardware configurations may be measured at once
    std::optional<console::LateProgressBar> bar;
  };
  auto shared = std::make_shared<Shared>();
  return [shared](double done, std::size_t all) {
    const std::lock_guard lock(shared->mutex);
    if (!shared->bar) shared->bar.emplace("costs of layers");
    shared->bar->update(done / static_cast<double>(all), fmt::format("{:.0f} of {} segments", done, all));
    if (done >= static_cast<double>(all)) shared->bar.reset();
  };
}

std::unique_ptr<agent::Laboratory> open_laboratory(const console::Options& options) {
  const agent::TaskSpec spec = task_spec(options);
  auto laboratory = std::make_unique<agent::Laboratory>(
      spec, space_of(options), console::open_pool(console::device_choice(options), console::Purpose::cycles),
      console::open_store(options), cost_progress());
  tell_note(laboratory->opened());
  console::ProgressBar training("float training");
  const auto weights = agent::open_weights(
      spec, laboratory->opened(), [&](double done, const std::string& note) { training.update(done, note); });
  training.finish();
  auto outcomes = shared_outcomes(options);
  if (!outcomes) outcomes = std::make_shared<agent::OutcomeStore>("");
  laboratory->open(weights, recipe_of(options), std::move(outcomes));
  return laboratory;
}

}  // namespace bitloop::learning
