#pragma once

#include <memory>
#include <optional>
#include <span>

#include "host/device/device.h"
#include "sim/sim_device.h"

namespace bitloop::sim {

struct Configuration;

/// Makes a device of a configuration in one detail.
using MakeDevice = std::unique_ptr<host::Device> (*)(const Configuration&, const MemoryModel&,
                                                     const std::optional<WaveWindow>&);

/// A hardware configuration with a name.
struct Configuration {
  const char* name;
  double clock_hz;
  const char* parameters;  ///< of the RTL, as sim/verilate.cmake takes them: "ActivationRows=4096|F=16|..."
  /// Null where it is not compiled in but built on demand.
  MakeDevice make_full = nullptr;
  MakeDevice make_timing = nullptr;
  const char* (*compiled_fingerprint)() = nullptr;  ///< of the RTL and parameters that are compiled in

  [[nodiscard]] MakeDevice make(Detail detail) const {
    return detail == Detail::full ? make_full : make_timing;
  }
};

/// All of sim/configurations.json (generated).
std::span<const Configuration> configurations();

}  // namespace bitloop::sim
