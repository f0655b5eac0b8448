#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/codesign/chips.h"
#include "agent/run/lines.h"
#include "agent/run/stage.h"

namespace bitloop::agent {

/// A policy that was evaluated, on one hardware.
struct HardwarePoint {
  std::string policy;        ///< host::Policy::key
  std::size_t hardware = 0;  ///< of the laboratory's
  double accuracy = 0;       ///< on the images of the search
  search::Costs costs{};
  codesign::Area area{};
  double share = 0;  ///< of the chip's scarcest resource; without a chip the LUTs
};

/// Of all policies that any line evaluated, on every hardware within the budget, those points that no other
/// one beats in accuracy, cycles, energy and area together; by cycles. Accuracy does not depend on hardware,
/// and cycles of another one are measured in a moment.
std::vector<HardwarePoint> hardware_front(const Stage& stage, const std::vector<Line>& lines);

/// CSV: accuracy, cycles, milliseconds, joules, lut, ff, dsp, bram, share (of a chip), hardware, policy.
std::string to_csv(const std::vector<HardwarePoint>& points, const Stage& stage);

}  // namespace bitloop::agent
