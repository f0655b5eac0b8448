#pragma once

#include <memory>
#include <optional>
#include <span>

#include "host/device.h"
#include "sim/sim_device.h"

namespace bitloop::sim {

/// A hardware configuration that was built in.
struct Configuration {
  const char* name;
  double clock_hz;
  std::unique_ptr<host::Device> (*make)(const Configuration&, const MemoryModel&, const std::optional<WaveWindow>&);
};

/// All of sim/configurations.json (generated).
std::span<const Configuration> configurations();

}  // namespace bitloop::sim
