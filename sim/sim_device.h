#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/device/device.h"
#include "sim/memory_model.h"

namespace bitloop::sim {

/// Writes an FST waveform of the cycles [first, last) of the device's life.
struct WaveWindow {
  std::filesystem::path file;
  host::Cycles first = 0;
  host::Cycles last = ~host::Cycles{0};
};

/// What a device simulates.
enum class Detail {
  full,    ///< everything
  timing,  ///< everything but data, several times as fast
};

/// The Verilated accelerator of a hardware configuration in this process: a name (`default`, `tiny`, `wide`),
/// or parameters that differ from `default`: "p=4,f=8,activation_rows=2048,..." (sim/hardware_text.h); and,
/// where that is not the RTL that bitloop was built from, "@" and the folder of another one:
/// "default@trial". What is not compiled in is built on first use (sim/on_demand.h), and so is what was
/// compiled in from other RTL than there is now: measured is always the RTL of that folder. Several devices
/// may live in several threads, one thread per device. Throws InputError for a configuration that cannot be.
///
/// With `Detail::timing` the same RTL is elaborated without its datapath (`Datapath = 0`), and the device
/// tells the same fingerprint: cycles, every counter and the counter records in memory are exactly those of
/// the full one, but **what jobs store is meaningless**, so that whoever reads a tensor back reads rubbish.
/// It writes no waveform (InputError).
std::unique_ptr<host::Device> make_sim_device(std::string_view hardware = "default",
                                              const MemoryModel& memory = {},
                                              const std::optional<WaveWindow>& wave = {},
                                              Detail detail = Detail::full);

/// Names of the configurations that have one.
std::vector<std::string> hardware_names();

/// What `hardware` is as a device tells it, without memory and fingerprint, and without building anything.
/// Throws InputError for a configuration that cannot be.
host::HardwareInfo hardware_info(std::string_view hardware);

/// The folder of other RTL that a text of hardware names; empty: that which bitloop was built from.
std::string rtl_of(std::string_view hardware);
/// `hardware` with the RTL of a folder (empty: of that which bitloop was built from).
std::string with_rtl(std::string_view hardware, std::string_view rtl);

/// A hash of the RTL that devices are made from now, with the forms for speed, which fingerprints do not
/// cover; empty where it is gone. `rtl`: of which folder, as `rtl_of`.
std::string simulated_sources(const std::string& rtl = "");
/// The same of what is built, without the forms for speed: of what is synthesized.
std::string synthesized_sources(const std::string& rtl = "");

struct NamedHardware {
  bool compiled_in;         ///< in both details, as the RTL is now; false: built on first use
  bool as_built;            ///< simulated in no other form than it is built (rtl/simulation)
  host::HardwareInfo info;  ///< without memory and fingerprint, which only a device has
};

/// The configurations that have a name, in the same order.
std::vector<NamedHardware> named_hardware();

}  // namespace bitloop::sim
