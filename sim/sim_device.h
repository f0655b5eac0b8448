#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/device.h"
#include "sim/memory_model.h"

namespace bitloop::sim {

/// Writes an FST waveform of the cycles [first, last) of the device's life.
struct WaveWindow {
  std::filesystem::path file;
  host::Cycles first = 0;
  host::Cycles last = ~host::Cycles{0};
};

/// The Verilated accelerator of a named hardware configuration (`default`, `tiny`) in this process.
/// Several devices may live in several threads, one thread per device.
/// Throws InputError, listing the names, for an unknown one.
std::unique_ptr<host::Device> make_sim_device(std::string_view hardware = "default", const MemoryModel& memory = {},
                                              const std::optional<WaveWindow>& wave = {});

/// Names of the configurations that were built in.
std::vector<std::string> hardware_names();

}  // namespace bitloop::sim
