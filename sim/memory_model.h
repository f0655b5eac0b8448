#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bitloop::sim {

/// Timing of the simulated memory behind the accelerator. No refresh; deterministic.
struct MemoryModel {
  std::string name = "ddr8";       ///< stands in every output
  int read_latency = 60;           ///< cycles from a read address to its first beat, at least 1
  int write_latency = 20;          ///< cycles from the last write beat to its response, at least 1
  int beats_per_cycle = 1;         ///< 8-byte beats, reads and writes together (2: one each way)
  int outstanding = 8;             ///< bursts each way
  std::size_t bytes = 256u << 20;  ///< size of the window
  /// Probability (0..1) of a random stall on every handshake, and its seed: for tests only.
  double random_stall = 0;
  std::uint64_t stall_seed = 1;
};

/// Reads the text of `--memory`: a name (`ddr8`), or changes to it,
/// "latency=60,write_latency=20,outstanding=8,...". Throws InputError, naming what is known, for anything
/// else.
MemoryModel parse_memory(std::string_view text);

/// Cycles in which an accelerator that goes on has moved a word to or from this memory, or needs none.
std::uint64_t longest_pause(const MemoryModel& model);

/// All that cycles depend on, as text: equal texts give equal cycles, whatever the names.
std::string timing_key(const MemoryModel& model);

}  // namespace bitloop::sim
