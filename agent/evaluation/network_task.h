#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/environment/policy_space.h"
#include "agent/evaluation/outcome_store.h"
#include "agent/tables/task.h"
#include "quant/data/dataset.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::agent {

/// How policies of a network are evaluated.
struct EvaluationRecipe {
  quant::Retraining retraining{};
  /// Reward images of an evaluation; 0: half of the folds. Whole folds of kFoldImages.
  int reward_images = 1000;
  /// Text that names network, weights and images: of these, and of the recipe, answers are functions.
  std::string context{};

  /// Everything that an outcome depends on besides policy and images.
  [[nodiscard]] std::string key() const;
};
inline constexpr int kFoldImages = 200;

/// A network with its data as a task of the laboratory. Evaluations run on the calling thread; any thread may
/// call, each with an evaluator of its own.
///
/// Images: the reward split is cut in folds of about kFoldImages; a seed shuffles them. An evaluation takes
/// the first `reward_images`, a check those behind, a probe the first of them, without retraining. Prices are
/// pro rata of image passes: statistics, reward images, and three for each image that is trained on, by a
/// supernet too, which takes images of the train split only, as measures of the float network do.
class NetworkTask : public search::Task {
 public:
  /// What is referred to must outlive this. `store`: not null; of this process only where nothing is kept.
  NetworkTask(const PolicySpace& space, search::CostModel& costs, const quant::Dataset& data,
              std::shared_ptr<const quant::Quantizer> quantizer, EvaluationRecipe recipe,
              std::shared_ptr<OutcomeStore> store);

  [[nodiscard]] const std::string& name() const override { return space_.network().name; }
  [[nodiscard]] const search::Space& space() const override { return space_.space(); }
  [[nodiscard]] search::CostModel& costs() override { return costs_; }
  std::unique_ptr<search::Evaluator> evaluator(std::uint64_t seed) override;
  [[nodiscard]] search::MakeSupernet supernet() override;
  /// Measured once by each name, on images that no search's seed draws.
  [[nodiscard]] search::MeasureFloatEffects float_effects() override;
  double test_accuracy(const search::Assignment& assignment) override;

  /// Images that a policy is asked about: chosen folds of as many as a split is cut in (image i is in fold
  /// i modulo their number).
  struct Images {
    const quant::Split& split;
    std::size_t folds = 1;
    std::vector<std::size_t> chosen{0};
  };
  /// Those of the reward split that answer the query of a search with this seed; of a check of 0 images all
  /// that are left for checks, none where evaluations take all.
  [[nodiscard]] Images images_of(std::uint64_t seed, search::Fidelity fidelity, int images = 0) const;
  /// A policy, of the space or not, on one or more such; remembered by the store. `retrained`: as the recipe
  /// says, else not at all. `memory`: the caller's, of what policies share that are not retrained; or null.
  /// Changes no outcome.
  std::vector<OutcomeStore::Entry> outcomes(const host::Policy& policy, bool retrained,
                                            std::span<const Images> images,
                                            quant::CodeMemory* memory = nullptr);
  [[nodiscard]] const quant::Dataset& data() const { return data_; }
  [[nodiscard]] const EvaluationRecipe& recipe() const { return recipe_; }
  [[nodiscard]] search::Prices prices() const;
  [[nodiscard]] const PolicySpace& policies() const { return space_; }

 private:
  [[nodiscard]] std::size_t reward_folds() const;
  [[nodiscard]] std::size_t full_folds() const;
  [[nodiscard]] double reward_images(std::size_t folds) const;
  const search::FloatEffects& measured(std::string_view measure);

  const PolicySpace& space_;
  search::CostModel& costs_;
  const quant::Dataset& data_;
  std::shared_ptr<const quant::Quantizer> quantizer_;
  EvaluationRecipe recipe_;
  std::shared_ptr<OutcomeStore> store_;
  std::mutex measuring_;
  std::map<std::string, search::FloatEffects, std::less<>> measured_;  ///< by measure
};

/// What a policy's integers answer on each chosen fold, on the calling thread.
std::vector<search::Fold> folds_of(const quant::QuantizedModel& model, const NetworkTask::Images& images,
                                   quant::CodeMemory* memory = nullptr);

}  // namespace bitloop::agent
