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
  const char* name = "";
  double clock_hz = 0;
  const char* parameters =
      "";                 ///< of the RTL, as sim/verilate.cmake takes them: "ActivationRows=4096|F=16|..."
  bool as_built = false;  ///< simulated as it is built, not in the forms for speed (rtl/simulation)
  /// Null where it is not compiled in but built on demand.
  MakeDevice make_full = nullptr;
  MakeDevice make_timing = nullptr;
  const char* (*compiled_sources)() = nullptr;  ///< `rtl_sources_hash` of what is compiled in

  [[nodiscard]] MakeDevice make(Detail detail) const {
    return detail == Detail::full ? make_full : make_timing;
  }
};

/// All of sim/configurations.json (generated).
std::span<const Configuration> configurations();

}  // namespace bitloop::sim
