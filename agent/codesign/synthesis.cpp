#include "agent/codesign/synthesis.h"

#include <fmt/format.h>

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/io.hpp>
#include <boost/process/pipe.hpp>
#include <boost/process/search_path.hpp>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "host/base/error.h"
#include "sim/hardware_text.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

namespace process = boost::process;

/// What the script prints. Throws Error with the last line that it says where it fails.
std::string output_of(const std::vector<std::string>& command) {
  process::ipstream output;
  process::ipstream errors;
  process::child child(process::args = command, process::std_in<process::null, process::std_out> output,
                       process::std_err > errors);
  // A failing Yosys says a few lines, the result is a few kilobytes: neither fills its pipe.
  std::string complaint;
  for (std::string line; std::getline(errors, line);) complaint = line.empty() ? complaint : line;
  const std::string text{std::istreambuf_iterator<char>(output), {}};
  child.wait();
  if (child.exit_code() != 0) throw Error(fmt::format("this hardware cannot be synthesized: {}", complaint));
  return text;
}

}  // namespace

std::vector<BlockArea> synthesized(const host::HardwareInfo& hardware) {
  const auto python = process::search_path("python3");
  if (python.empty()) throw Error("python3 is not found, which runs the synthesis: install it");
  if (!std::filesystem::exists(BITLOOP_SYNTHESIS)) {
    throw Error(
        "scripts/synthesis.py is gone from the source tree that bitloop was built from (" BITLOOP_SYNTHESIS
        "): bring it back or build bitloop again");
  }
  std::vector<std::string> command{python.string(), BITLOOP_SYNTHESIS};
  for (const auto& parameter : sim::kHardwareParameters) {
    command.push_back(fmt::format("{}={}", parameter.rtl_name, hardware.*parameter.value));
  }
  if (const std::string rtl = sim::rtl_of(hardware.name); !rtl.empty()) command.push_back("--rtl=" + rtl);
  fmt::print(stderr, "bitloop: hardware {}: Yosys synthesizes it, which takes minutes\n", hardware.name);
  std::vector<BlockArea> blocks;
  const auto json = nlohmann::json::parse(output_of(command));
  for (const auto& [name, entry] : json.items()) {
    BlockArea block{name, entry.at("instances"), {}, entry.at("levels")};
    for (const Resource& resource : kResources) block.area.*resource.amount = entry.at(resource.name);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace bitloop::codesign
