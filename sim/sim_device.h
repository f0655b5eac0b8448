#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/device.h"

namespace bitloop::sim {

/// Timing of the simulated memory behind the accelerator. No refresh; deterministic.
struct MemoryModel {
  std::string name = "ddr8";      ///< stands in every output
  int read_latency = 60;          ///< cycles from a read address to its first beat
  int write_latency = 20;         ///< cycles from the last write beat to its response
  int beats_per_cycle = 1;        ///< 8-byte beats, reads and writes together
  int outstanding = 8;            ///< bursts each way
  std::size_t bytes = 256u << 20; ///< size of the window
  /// Probability (0..1) of a random stall on every handshake, and its seed: for tests only.
  double random_stall = 0;
  std::uint64_t stall_seed = 1;
};

/// Reads the text of `--memory`: a name, or "latency=60,write_latency=20,outstanding=8,...".
MemoryModel parse_memory(std::string_view text);

/// Writes an FST waveform of the cycles [first, last) of the device's life.
struct WaveWindow {
  std::filesystem::path file;
  host::Cycles first = 0;
  host::Cycles last = ~host::Cycles{0};
};

/// The Verilated accelerator of a named hardware configuration (`default`, `tiny`) in this process.
/// Throws InputError, listing the names, for an unknown one.
std::unique_ptr<host::Device> make_sim_device(std::string_view hardware = "default", const MemoryModel& memory = {},
                                              const std::optional<WaveWindow>& wave = {});

/// Names of the configurations that were built in.
std::vector<std::string> hardware_names();

}  // namespace bitloop::sim
