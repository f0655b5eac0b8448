#include "agent/evaluation/network_task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "agent/evaluation/choice_effects.h"
#include "agent/evaluation/policy_supernet.h"
#include "agent/evaluation/retrained_or_not.h"
#include "quant/reference/integer_reference.h"

namespace bitloop::agent {

using search::Answer;
using search::Fidelity;
using search::Query;

namespace {

/// Part of what an outcome is stored by: to be renamed whenever the same recipe gives other outcomes.
constexpr const char* kEvaluation = "evaluation 1";

}  // namespace

std::string EvaluationRecipe::key() const {
  const quant::Retraining& r = retraining;
  std::string key = fmt::format(
      "{} {};epochs {} of {}, rate {}, batch {}, seed {}, {}, {}, {}, distillation {}, augment {}, patience "
      "{}, "
      "calibration {} {}",
      kEvaluation, context, r.epochs, r.images, r.learning_rate, r.batch, r.seed, r.quantizer, r.clipping,
      r.optimizer, r.distillation, r.augment, r.patience, r.calibration_images, r.calibration_seed);
  // Only where it is set: outcomes from before there was one are still found.
  if (r.learning_rate_decay > 0) key += fmt::format(", rate decay {}", r.learning_rate_decay);
  return key;
}

std::vector<search::Fold> folds_of(const quant::QuantizedModel& model, const NetworkTask::Images& images,
                                   quant::CodeMemory* memory) {
  std::vector<search::Fold> folds;
  for (const quant::FoldAccuracy& fold :
       quant::IntegerReference(model.integers)
           .fold_accuracies(images.split, model.output_scale(), images.folds, images.chosen, /*threads=*/1,
                            memory)) {
    folds.push_back({static_cast<int>(fold.images), static_cast<int>(fold.correct), fold.loss_sum});
  }
  return folds;
}

namespace {

/// Passes of an image through the network; training takes a pass and, twice as dear, the way back.
constexpr double kTrainingPasses = 3;

class NetworkEvaluator : public search::Evaluator {
 public:
  NetworkEvaluator(NetworkTask& task, std::uint64_t seed) : task_(task), seed_(seed) {}

  std::vector<Answer> evaluate(std::span<const Query> queries) override {
    std::vector<Answer> answers;
    for (const Query& query : queries) answers.push_back(answer(query));
    return answers;
  }
  [[nodiscard]] search::Prices prices() const override { return task_.prices(); }

 private:
  Answer answer(const Query& query) {
    Answer answer{
        .query = query, .costs = task_.costs().costs(query.assignment), .price = prices().of(query)};
    const NetworkTask::Images images = task_.images_of(seed_, query.fidelity, query.images);
    const auto entry = task_
                           .outcomes(task_.policies().policy(query.assignment),
                                     query.fidelity != Fidelity::probe, std::span(&images, 1), &memory_)
                           .front();
    answer.folds = entry.folds;
    answer.seconds = entry.seconds;
    return answer;
  }

  NetworkTask& task_;
  std::uint64_t seed_;
  quant::CodeMemory memory_;
};

}  // namespace

NetworkTask::NetworkTask(const PolicySpace& space, search::CostModel& costs, const quant::Dataset& data,
                         std::shared_ptr<const quant::Quantizer> quantizer, EvaluationRecipe recipe,
                         std::shared_ptr<OutcomeStore> store)
    : space_(space),
      costs_(costs),
      data_(data),
      quantizer_(std::move(quantizer)),
      recipe_(std::move(recipe)),
      store_(std::move(store)) {}

std::size_t NetworkTask::reward_folds() const {
  return std::max<std::size_t>(2, data_.reward.size() / kFoldImages);
}

std::unique_ptr<search::Evaluator> NetworkTask::evaluator(std::uint64_t seed) {
  return std::make_unique<NetworkEvaluator>(*this, seed);
}

search::MakeSupernet NetworkTask::supernet() {
  return [this](std::uint64_t seed) {
    return std::make_unique<PolicySupernet>(
        space_,
        std::make_unique<quant::Supernet>(quantizer_, recipe_.retraining,
                                          quant::SupernetOptions{.seed = seed}),
        kTrainingPasses * prices().probe_per_image);
  };
}

search::MeasureFloatEffects NetworkTask::float_effects() {
  return [this](std::string_view measure) { return measured(measure); };
}

/// On one thread, and one at a time: several searches at once want the same.
const search::FloatEffects& NetworkTask::measured(std::string_view measure) {
  const std::lock_guard lock(measuring_);
  if (const auto known = measured_.find(measure); known != measured_.end()) return known->second;
  const ChoiceEffects found = choice_effects(space_, *quantizer_, recipe_.retraining, measure, {});
  search::FloatEffects effects{.price = found.passes * prices().probe_per_image};
  for (const auto& choices : found.choices) {
    auto& values = effects.values.emplace_back();
    for (const ChoiceEffects::Choice& choice : choices) values.push_back(choice.effect.value);
  }
  return measured_.emplace(measure, std::move(effects)).first->second;
}

std::size_t NetworkTask::full_folds() const {
  const std::size_t folds = reward_folds();
  if (recipe_.reward_images == 0) return std::max<std::size_t>(1, folds / 2);
  return std::clamp<std::size_t>(static_cast<std::size_t>(recipe_.reward_images) / kFoldImages, 1, folds);
}

double NetworkTask::reward_images(std::size_t folds) const {
  return static_cast<double>(data_.reward.size()) * static_cast<double>(folds) /
         static_cast<double>(reward_folds());
}

search::Prices NetworkTask::prices() const {
  const auto& retraining = recipe_.retraining;
  const double statistics = retraining.calibration_images;
  const double images = reward_images(full_folds());
  const std::size_t trained =
      retraining.images == 0 ? data_.train.size() : static_cast<std::size_t>(retraining.images);
  const double start = statistics + kTrainingPasses * retraining.epochs * static_cast<double>(trained);
  const double passes = start + images;
  return {.full = 1,
          .check_base = start / passes,
          .check_per_image = 1 / passes,
          .check_images = static_cast<int>(reward_images(reward_folds() - full_folds())),
          .probe_base = statistics / passes,
          .probe_per_image = 1 / passes,
          .probe_images = static_cast<int>(images)};
}

NetworkTask::Images NetworkTask::images_of(std::uint64_t seed, Fidelity fidelity, int images) const {
  const std::size_t folds = reward_folds();
  const std::vector<std::size_t> order = search::shuffled_folds(static_cast<int>(folds), seed);
  const std::size_t full = full_folds();
  const auto wanted =
      images == 0
          ? folds
          : std::max<std::size_t>(1, (static_cast<std::size_t>(images) + kFoldImages - 1) / kFoldImages);
  const std::size_t first = fidelity == Fidelity::check ? full : 0;
  const std::size_t most = fidelity == Fidelity::check ? folds - full : full;
  const std::size_t count = fidelity == Fidelity::full ? full : std::min(wanted, most);
  const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
  return {data_.reward, folds, {begin, begin + static_cast<std::ptrdiff_t>(count)}};
}

std::vector<OutcomeStore::Entry> NetworkTask::outcomes(const host::Policy& policy, bool retrained,
                                                       std::span<const Images> images,
                                                       quant::CodeMemory* memory) {
  EvaluationRecipe recipe = recipe_;
  if (!retrained) recipe.retraining.epochs = 0;
  if (recipe.retraining.epochs > 0) memory = nullptr;
  const auto key_of = [&](const Images& part) {
    return fmt::format("{};{};{} folds of {} {}: {}", recipe.key(), policy.key(), part.folds,
                       &part.split == &data_.test ? "test" : "reward", part.split.size(),
                       fmt::join(part.chosen, " "));
  };
  std::optional<quant::QuantizedModel> model;
  std::vector<OutcomeStore::Entry> entries;
  for (const Images& part : images) {
    const std::string key = key_of(part);
    if (auto known = store_->find(key)) {
      entries.push_back(std::move(*known));
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    if (!model) model = retrained_or_not(*quantizer_, policy, recipe.retraining, memory);
    entries.push_back({folds_of(*model, part, memory), 0});
    entries.back().seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    store_->add(key, entries.back());
  }
  return entries;
}

double NetworkTask::test_accuracy(const search::Assignment& assignment) {
  const Images all{data_.test};
  Answer answer;
  answer.folds = outcomes(space_.policy(assignment), true, std::span(&all, 1)).front().folds;
  return answer.accuracy();
}

}  // namespace bitloop::agent
