#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/run/laboratory.h"
#include "agent/run/stage.h"
#include "agent/space/effects.h"
#include "agent/trial/trial.h"
#include "quant/model/progress.h"

namespace bitloop::agent {

/// What one choice of one decision does alone, all others at their highest (loss) or float (other measures).
struct Sensitivity {
  int decision = 0;
  int choice = 0;
  int images = 0;  ///< that it was measured on
  search::MeasuredEffect effect{};
  /// Made monotone along the decision's widths, and drawn towards what decisions of its kind have at that
  /// width as far as chance explains the difference.
  double clean = 0;
  double price = 0;  ///< in evaluations; of what is measured at once, an equal share
};

/// By one measure, in order of decisions and choices.
struct MeasuredSensitivities {
  std::string measure;
  std::vector<Sensitivity> rows{};
};

/// Names of what can be measured: those of quant::SensitivityMeasure, in decibels or loss, and `loss`, rises
/// of the loss by probes one at a time.
std::vector<std::string> sensitivity_names();

/// By one of quant's measures, after Laboratory::open. `threads` changes no result.
MeasuredSensitivities float_sensitivities(Laboratory& laboratory, const std::string& measure,
                                          std::uint64_t seed, int threads,
                                          const quant::Progress& progress = {});
/// The rises that answers to probes show: of those that differ from the highest assignment in one decision,
/// where that was probed on as many images.
MeasuredSensitivities loss_sensitivities(const search::Space& space, std::span<const search::Answer> answers);

/// A row per measure, decision and choice: measure, decision, kind, choice, bits, images, value, clean,
/// price.
std::string sensitivities_csv(const search::Space& space, std::span<const MeasuredSensitivities> measured);

/// Measures what the configuration asks for and writes it to the run's folder, where it is not there yet: no
/// method pays for it.
void measure_sensitivities(const Stage& stage);
/// Adds the losses that a line probed, where the configuration did not ask for them.
void add_probed_losses(const Stage& stage, const std::vector<search::Step>& steps);

}  // namespace bitloop::agent
