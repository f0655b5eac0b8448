#include "sim/sim_device.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

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

/// A text of hardware, understood.
struct Described {
  std::string name;  ///< texts that mean the same have the same
  double clock_hz;
  std::string parameters;
  const Configuration* named;  ///< or null
  std::filesystem::path rtl;
};

Described described(std::string_view hardware) {
  const std::string other_rtl = rtl_of(hardware);
  const std::string_view text = hardware.substr(0, hardware.find('@'));
  const auto complete = [&](const std::string& name, const Configuration& base, const std::string& parameters,
                            const Configuration* same) {
    return Described{with_rtl(name, other_rtl), base.clock_hz, parameters, same,
                     other_rtl.empty() ? own_rtl() : std::filesystem::path(other_rtl)};
  };
  if (const Configuration* configuration = named(text)) {
    return complete(configuration->name, *configuration, configuration->parameters, configuration);
  }
  if (text.find('=') == std::string_view::npos) {
    throw InputError(
        fmt::format("hardware configuration '{}' is unknown; known are {}, and parameters such as p=4,f=8",
                    text, fmt::join(hardware_names(), ", ")));
  }
  const Configuration& base = *named(kBase);
  const std::string parameters = change_parameters(base.parameters, text);
  // A configuration that has a name goes by it.
  const Configuration* same = find_configuration(
      [&](const Configuration& configuration) { return configuration.parameters == parameters; });
  if (same != nullptr) return complete(same->name, *same, parameters, same);
  return complete(parameter_changes(base.parameters, parameters), base, parameters, nullptr);
}

/// What is compiled in was made from this RTL as it is now, or that is gone.
bool up_to_date(const Configuration& configuration, const std::filesystem::path& rtl) {
  if (rtl == own_rtl() && own_rtl_is_gone()) return true;
  return rtl_sources_hash(rtl) == configuration.compiled_sources();
}

host::HardwareInfo info_of(std::string name, double clock_hz, std::string_view parameters) {
  host::HardwareInfo info;
  info.name = std::move(name);
  info.clock_hz = clock_hz;
  for (const HardwareParameter& parameter : kHardwareParameters) {
    info.*parameter.value = parameter_value(parameters, parameter.name);
  }
  return info;
}

}  // namespace

std::unique_ptr<host::Device> make_sim_device(std::string_view hardware, const MemoryModel& memory,
                                              const std::optional<WaveWindow>& wave, Detail detail) {
  const Described what = described(hardware);
  Configuration configuration = what.named != nullptr ? *what.named : Configuration{};
  configuration.name = what.name.c_str();
  configuration.clock_hz = what.clock_hz;
  configuration.parameters = what.parameters.c_str();
  const MakeDevice compiled_in = configuration.make(detail);
  return compiled_in != nullptr && up_to_date(configuration, what.rtl)
             ? compiled_in(configuration, memory, wave)
             : make_on_demand(configuration, what.rtl, memory, wave, detail);
}

std::vector<std::string> hardware_names() {
  std::vector<std::string> names;
  for (const Configuration& configuration : configurations()) {
    names.emplace_back(configuration.name);
  }
  return names;
}

host::HardwareInfo hardware_info(std::string_view hardware) {
  const Described what = described(hardware);
  return info_of(what.name, what.clock_hz, what.parameters);
}

std::string rtl_of(std::string_view hardware) {
  const std::size_t at = hardware.find('@');
  if (at == std::string_view::npos) return "";
  if (at + 1 == hardware.size())
    throw InputError(fmt::format("hardware '{}' names no folder of RTL behind its @", hardware));
  return std::string(hardware.substr(at + 1));
}

std::string with_rtl(std::string_view hardware, std::string_view rtl) {
  const std::string_view configuration = hardware.substr(0, hardware.find('@'));
  return rtl.empty() ? std::string(configuration) : fmt::format("{}@{}", configuration, rtl);
}

std::string simulated_sources(const std::string& rtl) {
  if (rtl.empty()) return own_rtl_is_gone() ? "" : rtl_sources_hash(own_rtl());
  return rtl_sources_hash(rtl);
}

std::string synthesized_sources(const std::string& rtl) {
  if (rtl.empty()) return own_rtl_is_gone() ? "" : rtl_built_hash(own_rtl());
  return rtl_built_hash(rtl);
}

std::vector<NamedHardware> named_hardware() {
  std::vector<NamedHardware> all;
  for (const Configuration& configuration : configurations()) {
    all.push_back({configuration.make_full != nullptr && up_to_date(configuration, own_rtl()),
                   configuration.as_built,
                   info_of(configuration.name, configuration.clock_hz, configuration.parameters)});
  }
  return all;
}

}  // namespace bitloop::sim
