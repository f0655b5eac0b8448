#include "sim/sim_device.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/error.h"
#include "sim/configuration.h"

namespace bitloop::sim {

std::unique_ptr<host::Device> make_sim_device(std::string_view hardware, const MemoryModel& memory,
                                              const std::optional<WaveWindow>& wave) {
  for (const Configuration& configuration : configurations()) {
    if (configuration.name == hardware) {
      return configuration.make(configuration, memory, wave);
    }
  }
  throw InputError(
      fmt::format("hardware configuration '{}' is not built in; known: {}", hardware, fmt::join(hardware_names(), ", ")));
}

std::vector<std::string> hardware_names() {
  std::vector<std::string> names;
  for (const Configuration& configuration : configurations()) {
    names.emplace_back(configuration.name);
  }
  return names;
}

}  // namespace bitloop::sim
