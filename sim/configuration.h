#pragma once

#include <memory>
#include <optional>
#include <span>

#include "host/device.h"
#include "sim/sim_device.h"

namespace bitloop::sim {

/// A hardware configuration with a name.
struct Configuration {
  const char* name;
  double clock_hz;
  const char* parameters;  ///< of the RTL, as sim/verilate.cmake takes them: "ActivationRows=4096|F=16|..."
  /// Null where it is not compiled in but built on demand.
  std::unique_ptr<host::Device> (*make)(const Configuration&, const MemoryModel&,
                                        const std::optional<WaveWindow>&);
};

/// All of sim/configurations.json (generated).
std::span<const Configuration> configurations();

}  // namespace bitloop::sim
