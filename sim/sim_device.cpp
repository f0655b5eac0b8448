#include "sim/sim_device.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/base/error.h"
#include "sim/configuration.h"
#include "sim/hardware_text.h"
#include "sim/on_demand.h"

namespace bitloop::sim {
namespace {

constexpr const char* kBase = "default";  // what a text's unnamed parameters and clock are those of

const Configuration* find_configuration(auto matches) {
  const auto all = configurations();
  const auto found = std::find_if(all.begin(), all.end(), matches);
  return found == all.end() ? nullptr : &*found;
}

const Configuration* named(std::string_view name) {
  return find_configuration([&](const Configuration& configuration) { return configuration.name == name; });
}

/// What is compiled in was made from the RTL as it is now, or that is gone.
bool up_to_date(const Configuration& configuration) {
  return rtl_is_gone() || rtl_sources_hash() == configuration.compiled_sources();
}

std::unique_ptr<host::Device> make(const Configuration& configuration, const MemoryModel& memory,
                                   const std::optional<WaveWindow>& wave, Detail detail) {
  const MakeDevice compiled_in = configuration.make(detail);
  return compiled_in != nullptr && up_to_date(configuration)
             ? compiled_in(configuration, memory, wave)
             : make_on_demand(configuration, memory, wave, detail);
}

}  // namespace

std::unique_ptr<host::Device> make_sim_device(std::string_view hardware, const MemoryModel& memory,
                                              const std::optional<WaveWindow>& wave, Detail detail) {
  if (const Configuration* configuration = named(hardware)) {
    return make(*configuration, memory, wave, detail);
  }
  if (hardware.find('=') == std::string_view::npos) {
    throw InputError(
        fmt::format("hardware configuration '{}' is unknown; known are {}, and parameters such as p=4,f=8",
                    hardware, fmt::join(hardware_names(), ", ")));
  }
  const Configuration& base = *named(kBase);
  const std::string parameters = change_parameters(base.parameters, hardware);
  // A configuration that has a name goes by it, and texts that mean the same give the same name.
  if (const Configuration* same = find_configuration(
          [&](const Configuration& configuration) { return configuration.parameters == parameters; })) {
    return make(*same, memory, wave, detail);
  }
  const std::string name = parameter_changes(base.parameters, parameters);
  return make({name.c_str(), base.clock_hz, parameters.c_str()}, memory, wave, detail);
}

std::vector<std::string> hardware_names() {
  std::vector<std::string> names;
  for (const Configuration& configuration : configurations()) {
    names.emplace_back(configuration.name);
  }
  return names;
}

std::string simulated_sources() { return rtl_is_gone() ? "" : rtl_sources_hash(); }

std::vector<NamedHardware> named_hardware() {
  std::vector<NamedHardware> all;
  for (const Configuration& configuration : configurations()) {
    const auto value = [&](const char* name) { return parameter_value(configuration.parameters, name); };
    host::HardwareInfo info;
    info.name = configuration.name;
    info.clock_hz = configuration.clock_hz;
    info.pixels = value("p");
    info.filters = value("f");
    info.activation_rows = value("activation_rows");
    info.weight_rows = value("weight_rows");
    info.parameter_slots = value("parameter_slots");
    info.channel_lanes = value("channel_lanes");
    info.staging_words = value("staging_words");
    all.push_back(
        {configuration.make_full != nullptr && up_to_date(configuration), configuration.as_built, info});
  }
  return all;
}

}  // namespace bitloop::sim
