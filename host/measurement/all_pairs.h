#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/measurement/measure.h"

namespace bitloop::host {

/// Counters of one layer by itself, its operands in memory, at one pair of widths.
struct PairMeasurement {
  std::string layer;
  int weight_bits = 8;
  int input_bits = 8;
  int output_bits = 8;
  std::optional<Counters> counters;  ///< none: the hardware cannot run it
  std::string refusal;               ///< then, why
};

/// Every layer with weights at every legal pair of widths. `output_bits` 0: as wide as the input; results of
/// the network keep 32 bits.
std::vector<PairMeasurement> measure_all_pairs(SegmentMeter& meter, const Network& network, int output_bits,
                                               const SegmentMeter::Progress& progress);

}  // namespace bitloop::host
