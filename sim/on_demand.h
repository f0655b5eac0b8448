#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sim/configuration.h"

namespace bitloop::sim {

// `rtl`: a folder that is laid out as rtl/ is.

/// The one that bitloop was built from.
std::filesystem::path own_rtl();
/// That folder is not there any more: only what is compiled in is left.
bool own_rtl_is_gone();

/// Why nothing can be built on demand on this machine, with what to do; empty where it can.
std::string on_demand_obstacle();

/// SHA-256 over all sources that models are made from, with the forms for speed (rtl/simulation), in
/// hexadecimal. Throws InputError where there is no RTL.
std::string rtl_sources_hash(const std::filesystem::path& rtl);
/// The same without the forms for speed.
std::string rtl_built_hash(const std::filesystem::path& rtl);

/// The first half of the fingerprint: what sim/verilate.cmake computes from the RTL and `parameters`.
std::string rtl_fingerprint(const std::filesystem::path& rtl, const std::string& parameters);

/// A device of a configuration that is not compiled in, or not as the RTL is now.
///
/// Its model is `$XDG_CACHE_HOME/bitloop/hardware/FINGERPRINT/model.so`, or `timing.so` beside it for
/// `Detail::timing`; each is built when it is first used. Where the file is missing, damaged or
/// made for another build of Bitloop, it is built first (about half a minute), with a line on stderr; of
/// several processes one builds and the others wait. Throws Error where it cannot be built.
std::unique_ptr<host::Device> make_on_demand(const Configuration& configuration,
                                             const std::filesystem::path& rtl, const MemoryModel& memory,
                                             const std::optional<WaveWindow>& wave, Detail detail);

}  // namespace bitloop::sim
