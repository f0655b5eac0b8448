#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sim/configuration.h"

namespace bitloop::sim {

/// What simulated hardware is made from: the folder of the RTL that bitloop was built from, or BITLOOP_RTL in
/// the environment.
std::filesystem::path rtl_folder();
/// That folder is not there any more, and nobody names another one: only what is compiled in is left.
bool rtl_is_gone();

/// Why nothing can be built on demand on this machine, with what to do; empty where it can.
std::string on_demand_obstacle();

/// SHA-256 over all sources that models are made from, with the forms for speed (rtl/simulation), in
/// hexadecimal.
std::string rtl_sources_hash();

/// The first half of the fingerprint: what sim/verilate.cmake computes from the RTL and `parameters`.
std::string rtl_fingerprint(const std::string& parameters);

/// A device of a configuration that is not compiled in, or not as the RTL is now.
///
/// Its model is `$XDG_CACHE_HOME/bitloop/hardware/FINGERPRINT/model.so`, or `timing.so` beside it for
/// `Detail::timing`; each is built when it is first used. Where the file is missing, damaged or
/// made for another build of Bitloop, it is built first (about half a minute), with a line on stderr; of
/// several processes one builds and the others wait. Throws Error where it cannot be built.
std::unique_ptr<host::Device> make_on_demand(const Configuration& configuration, const MemoryModel& memory,
                                             const std::optional<WaveWindow>& wave, Detail detail);

}  // namespace bitloop::sim
