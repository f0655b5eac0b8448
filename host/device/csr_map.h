#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace bitloop::host {

/// What a LiteX build's csr.csv says of the accelerator in it.
struct CsrMap {
  std::optional<std::uint64_t> registers;    ///< bus address
  std::optional<std::uint64_t> memory;       ///< bus address of what jobs may use
  std::optional<std::uint64_t> memory_size;  ///< bytes
  std::optional<double> clock_hz;
};

/// The lines that it looks for, the first of each list that is there:
/// registers "memory_region,bitloop,…", "csr_base,bitloop,…" or "csr_register,bitloop_id,…";
/// memory "memory_region,bitloop_memory,…" or "memory_region,main_ram,…";
/// clock "constant,config_clock_frequency,…".
/// Throws InputError where the file cannot be read or such a line says no number.
CsrMap read_csr_map(const std::filesystem::path& file);

}  // namespace bitloop::host
