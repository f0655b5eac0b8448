#include "agent/learning/laboratory.h"

#include <fmt/format.h>

#include "agent/console/progress.h"
#include "agent/learning/task_options.h"
#include "agent/space/locked_costs.h"
#include "quant/model/geometry.h"

namespace bitloop::learning {

namespace {

std::vector<int> widths_of(const console::Options& options) {
  std::vector<int> widths;
  for (const std::string& word : options.words("widths", {"1", "2", "4", "8"}))
    widths.push_back(std::stoi(word));
  return widths;
}

}  // namespace

void add_space_options(console::Options& options) {
  options.text("rules", "free",
               "free (every width), tied ((input, weight) bits (8,8), (4,4), (2,1)), ends8 (first and "
               "last layer keep 8 bits)");
  options.text("group", "none", "what shares one choice: none, layer (weights and input), block, stage");
  options.text("widths", "1,2,4,8", "that may be chosen, separated by commas");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
}

void add_recipe_options(console::Options& options) {
  const agent::EvaluationRecipe d;
  options.integer("retrain-epochs", 0, "epochs of retraining per evaluation");
  options.integer("reward-images", d.reward_images,
                  "images of the reward split per evaluation (0: half of them)");
  options.integer("statistics-images", d.retraining.calibration_images,
                  "training images for scales and statistics");
  add_retraining_options(options, d.retraining.images);
}

Laboratory::Laboratory(const console::Options& options)
    : spec(task_spec(options)),
      opened(task_of(spec)),
      devices(console::open_pool(console::device_choice(options), console::Purpose::cycles)),
      store(console::open_store(options)),
      meter(devices, store.get()) {
  quant::require_classifier(opened.model.network);
  console::ProgressBar training("float training");
  const auto weights = agent::open_weights(
      spec, opened, [&](double done, const std::string& note) { training.update(done, note); });
  training.finish();
  quantizer = std::make_shared<const quant::Quantizer>(opened.model.network, weights, opened.data);
  space = std::make_unique<agent::PolicySpace>(
      opened.model.network,
      agent::PolicySpaceOptions{.rules = agent::rules_of(options.text_of("rules")),
                                .grouping = agent::grouping_of(options.text_of("group")),
                                .widths = widths_of(options),
                                .pinned = options.words("pin", {}),
                                .hardware = devices->hardware(),
                                .weight_deviations = weights.weight_deviations()});
  costs = search::locked(std::make_unique<agent::PolicyCosts>(
      *space, meter, host::load_energy_profile(host::energy_profile_names().front())));
  agent::EvaluationRecipe recipe;
  recipe.retraining = retraining_of(options);
  recipe.retraining.epochs = static_cast<int>(options.integer_of("retrain-epochs", 0, 10'000));
  recipe.retraining.calibration_images =
      static_cast<int>(options.integer_of("statistics-images", 1, 1'000'000));
  recipe.reward_images = static_cast<int>(options.integer_of("reward-images", 0, 100'000'000));
  recipe.context = fmt::format("{} {}", weights.content_hash(), opened.data.split_hash);
  const auto warn = [](const std::string& line) { fmt::print(stderr, "bitloop: warning: {}\n", line); };
  task = std::make_unique<agent::NetworkTask>(
      *space, *costs, opened.data, quantizer, recipe,
      std::make_shared<agent::OutcomeStore>(
          options.is_set("fresh") ? std::filesystem::path() : agent::OutcomeStore::default_path(), warn));
}

}  // namespace bitloop::learning
