#pragma once

#include <array>
#include <vector>

#include "host/program/program.h"

namespace bitloop::host {

/// A rough clock for a program that is being written: when each instruction starts and ends, so that the
/// chain's order suits the hardware. Never a source of reported cycles.
class Timeline {
 public:
  explicit Timeline(const HardwareInfo& hardware) : hardware_(hardware) {}

  /// Notes the instructions appended since the last call. `cycles` is what a compute instruction among them
  /// takes.
  void update(const Program& program, double cycles);
  /// When the last compute instruction starts.
  [[nodiscard]] double compute_start() const { return compute_start_; }
  /// Loads that are not done at a time.
  [[nodiscard]] int loads_after(double time) const;

 private:
  [[nodiscard]] double transfer_cycles(const Operation& operation) const;

  HardwareInfo hardware_;
  std::size_t seen_ = 0;
  double compute_start_ = 0;
  std::array<std::vector<double>, kEngines> ends_;  ///< per engine, in order
};

}  // namespace bitloop::host
