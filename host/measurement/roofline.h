#pragma once

#include "host/compiler/segment.h"

namespace bitloop::host {

/// The least cycles that each resource of the hardware takes for a segment: what a model without latencies,
/// padding and waiting would say. Measured cycles are never below the largest of them.
struct Roofline {
  double compute = 0;    ///< multiplications (comparisons of a pool) at the engine's peak
  double bandwidth = 0;  ///< words between memory and chip, each once, at the memory's rate
  double drain = 0;      ///< results through the requantization lanes, F per cycle
  [[nodiscard]] double cycles() const;
  /// Of a segment that runs that often.
  [[nodiscard]] Roofline times(int runs) const { return {compute * runs, bandwidth * runs, drain * runs}; }
  /// "compute", "bandwidth" or "drain".
  [[nodiscard]] const char* bound() const;
};

Roofline roofline(const Segment& segment, const HardwareInfo& hardware);

/// Multiplications of weights and activations in a segment; 0 where it has no weights.
double macs(const Segment& segment);

}  // namespace bitloop::host
