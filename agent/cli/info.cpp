#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/agents/names.h"
#include "agent/cli/verbs.h"
#include "agent/console/table.h"
#include "agent/searchers/registry.h"
#include "host/base/error.h"
#include "host/network/network.h"
#include "sim/sim_device.h"

namespace bitloop::cli {
namespace {

constexpr const char* kAboutInfo =
    R"(bitloop info: versions, hardware configurations, models, data sets and search methods.

  bitloop info
  bitloop info --format json
)";

/// What is compiled in tells its fingerprint; building the rest would take half a minute.
nlohmann::json hardware_json(const sim::NamedHardware& named, const std::string& memory) {
  const host::HardwareInfo info =
      named.compiled_in ? sim::make_sim_device(named.info.name, sim::parse_memory(memory))->info()
                        : named.info;
  return {{"name", info.name},
          {"pixels", info.pixels},
          {"filters", info.filters},
          {"activation_rows", info.activation_rows},
          {"weight_rows", info.weight_rows},
          {"channel_lanes", info.channel_lanes},
          {"clock_hz", info.clock_hz},
          {"compiled_in", named.compiled_in},
          {"memory", named.compiled_in ? info.memory : sim::parse_memory(memory).name},
          {"fingerprint", named.compiled_in ? nlohmann::json(info.fingerprint) : nlohmann::json()}};
}

constexpr const char* kOthers =
    "Any other hardware is built on first use: --hardware p=4,f=8,activation_rows=2048 (also weight_rows,\n"
    "parameter_slots, channel_lanes, staging_words; what is not named is as in default), kept in "
    "$XDG_CACHE_HOME/bitloop/hardware.";

std::string joined(const nlohmann::json& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text;
}

}  // namespace

int info(const console::Arguments& arguments) {
  console::Options options("info", kAboutInfo);
  options.text("memory", "ddr8", "memory behind the simulated accelerators");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));

  nlohmann::json facts{
      {"version", BITLOOP_VERSION},
      {"hardware", nlohmann::json::array()},
      {"models", host::zoo_names()},
      {"data", {"fashion-mnist", "mnist:DIR", "cifar10:DIR", "folder:DIR", "noise"}},
      {"methods", nlohmann::json::array()},
      {"devices", {"sim", "tcp://HOST:PORT", "tcp+tls://HOST:PORT", "udp://HOST:PORT", "uio:NAME"}}};
  console::Table methods({"method", ""});
  const auto add_method = [&](std::string_view name, std::string_view about) {
    facts["methods"].push_back(name);
    methods.add_row({std::string(name), std::string(about)});
  };
  for (const search::Method* method : search::methods()) add_method(method->name, method->about);
  for (const agents::About& agent : agents::kAgents) add_method(agent.name, agent.about);
  console::Table hardware({"hardware", "P", "F", "channel lanes", "clock MHz", "memory", "fingerprint"});
  for (const sim::NamedHardware& named : sim::named_hardware()) {
    const auto json = hardware_json(named, options.text_of("memory"));
    hardware.add_row(
        {named.info.name, json["pixels"].dump(), json["filters"].dump(), json["channel_lanes"].dump(),
         fmt::format("{:.0f}", json["clock_hz"].get<double>() / 1e6), json["memory"].get<std::string>(),
         named.compiled_in ? json["fingerprint"].get<std::string>() : "(built on first use)"});
    facts["hardware"].push_back(json);
  }
  if (format == console::Format::json) {
    console::print(facts.dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(hardware.csv());
  } else {
    console::print(fmt::format("bitloop {}\nmodels   {}\ndata     {}\ndevices  {}\n\n{}\n{}\n{}\n",
                               BITLOOP_VERSION, joined(facts["models"]), joined(facts["data"]),
                               joined(facts["devices"]), hardware.text(), kOthers, methods.text()));
  }
  return 0;
}

}  // namespace bitloop::cli
