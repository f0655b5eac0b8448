#pragma once

#include <string>
#include <vector>

#include "agent/run/episodes.h"
#include "agent/run/stage.h"
#include "quant/data/accuracy.h"
#include "quant/model/quantized_model.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::agent {

/// A policy that is retrained at the end, under the name of its line.
struct Finalist {
  std::string line;
  host::Policy policy;
  Outcome searched;  ///< what the search saw
  quant::QuantizedModel model{};
  quant::Accuracy reward{};  ///< after the final retraining
  quant::Accuracy test{};    ///< only of those that are shown
};

/// The best of the method and of the random line, and the uniform lines that are asked for; the method's come
/// first.
std::vector<Finalist> choose_finalists(const Stage& stage, const std::vector<Episode>& method,
                                       const std::vector<Episode>& random);

/// Retrains all alike, longer than the search did; each distinct policy once, on `workers` threads.
void retrain(std::vector<Finalist>& finalists, const Stage& stage, const quant::Quantizer& quantizer,
             int workers);

/// Of each line the one with the best reward after that retraining, and only that one, is tested. In the
/// order of the lines.
std::vector<Finalist> best_of_lines(const std::vector<Finalist>& finalists, const Judge& judge,
                                    const quant::Split& test);

}  // namespace bitloop::agent
