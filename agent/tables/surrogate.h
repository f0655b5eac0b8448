#pragma once

#include <array>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/tables/task.h"

namespace bitloop::search {

/// A model of a network's outcomes, fitted to real evaluations, where there are too many policies for a
/// table: any assignment is answered, always the same. docs/tables.md defines its files.
///
/// The loss of an assignment is (highest^exponent + sum of effects)^(1/exponent), its rise above `highest`
/// times a log-normal factor of the assignment's own; its accuracy is exp(-slope * loss), plus a part of its
/// own. A fold's loss differs from that by what its images add to all, and by noise whose variance grows with
/// the rise; its accuracy follows its loss, again with noise.
struct Surrogate {
  std::string name{};
  std::string origin{};  ///< of which network and evaluations it was fitted
  Space space{};
  std::array<LocalCosts, kMeasures> costs{};  ///< exact; a measure that it lacks is 0 everywhere
  Costs reference{};                          ///< of the all-8-bit network

  double highest = 0;   ///< loss of the highest assignment
  double exponent = 1;  ///< below 1, effects add up to more than their sum
  std::vector<std::vector<double>> effects{};
  double slope = 0;         ///< of -log accuracy by loss
  double own_rise = 0;      ///< standard deviation of the logarithm of a rise's own factor
  double own_accuracy = 0;  ///< of an accuracy's own part

  int fold_images = 0;
  int folds = 0;              ///< that a search may see
  int full_folds = 0;         ///< of which a full evaluation takes so many
  int statistics_images = 0;  ///< whose passes each query pays beside
  double fold_shift = 0;      ///< standard deviation of the loss that a fold's images add to all
  double loss_noise = 0;      ///< variance of an image's loss, as a multiple of the rise
  double accuracy_noise = 0;  ///< of an image's answer beside its loss, as a multiple of a coin's
};

/// `format` of its files.
inline constexpr const char* kSurrogateFormat = "bitloop surrogate";
/// Throws InputError, or a JSON exception, where the file is none.
Surrogate surrogate_from(const nlohmann::json& file);

std::unique_ptr<Task> surrogate_task(Surrogate surrogate);

}  // namespace bitloop::search
