#pragma once

#include <string>
#include <vector>

#include "agent/run/lines.h"
#include "agent/run/stage.h"
#include "quant/data/accuracy.h"
#include "quant/model/quantized_model.h"

namespace bitloop::agent {

/// A policy that is retrained at the end, under the name of its line.
struct Finalist {
  std::string line;
  host::Policy policy;
  std::size_t hardware = 0;  ///< of the laboratory's: where its costs are from
  search::Answer searched;   ///< what the search saw
  quant::QuantizedModel model{};
  /// After the final retraining, on images of the reward split that the search did not see.
  search::Answer retrained{};
  quant::Accuracy test{};  ///< only of those that are shown
};

/// The best of the method and of each line, the method's first: up to three, of which for accuracy those stay
/// that images which no search saw do not tell to be behind; and the uniform policies w8a8, w4a4, w2a2 and
/// w1a2, whatever a search pins or ties, where the configuration names the line `uniform`.
std::vector<Finalist> choose_finalists(const Stage& stage, const std::vector<Line>& lines);

/// Retrains all alike, longer than the search did; each distinct policy once.
void retrain(std::vector<Finalist>& finalists, const Stage& stage);

/// Of each line the best after that retraining; in the order of the lines. For the Pareto front all of the
/// method's are kept, by cost; and of a search over several hardware configurations those of all lines; but
/// for those that another one of the same line beats on the images that the search did not see.
std::vector<Finalist> best_of_lines(std::vector<Finalist> finalists, const Stage& stage);

/// The front of a search: of all lines' points within the budget and the space those that no other one beats
/// in cost and, on the images that the search did not see, accuracy; the dearest first. A policy that
/// costs the same on several hardware configurations is on the smallest.
std::vector<std::size_t> front_of_all(const std::vector<Finalist>& finalists, const Stage& stage);

/// Of those that the search might have chosen (within the budget, in the space) the best; the first one where
/// none is.
std::size_t best_of_all(const std::vector<Finalist>& finalists, const Stage& stage);

}  // namespace bitloop::agent
