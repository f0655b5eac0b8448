#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/device/device.h"

namespace bitloop::host {

/// What each thing that the hardware counts costs, in picojoules: docs/energy.md. An estimate, as good as its
/// source.
struct EnergyProfile {
  /// A SRAM word of 64 bits in a bank of this size.
  struct Sram {
    double bytes = 0;
    double read = 0;
    double write = 0;
  };
  std::string name;
  std::string source;         ///< where the numbers are from, for those who read results
  bool calibrated = false;    ///< against a measurement of real hardware
  double binary_mac = 0;      ///< one bit times one bit, counted
  double accumulation = 0;    ///< one dot-product unit, one cycle
  double channel_lane = 0;    ///< one channelwise unit, one cycle
  double pool_word = 0;       ///< 64 bits compared
  double requantization = 0;  ///< one lane, one operation
  std::vector<Sram>
      sram;  ///< ascending in bytes; interpolated, and extrapolated, as straight lines between logarithms
  double dram_read = 0;  ///< one beat, 64 bits
  double dram_write = 0;
  double static_watts = 0;  ///< drawn in every cycle
};

/// Picojoules.
struct Energy {
  double compute = 0;
  double requantization = 0;
  double activation_sram = 0;
  double weight_sram = 0;
  double dram = 0;
  double idle = 0;  ///< static power times time
  [[nodiscard]] double total() const {
    return compute + requantization + activation_sram + weight_sram + dram + idle;
  }
};

/// Linear in the counters: the energies of segments add up to that of their sum.
Energy energy(const Counters& counters, const EnergyProfile& profile, const HardwareInfo& hardware);

/// Names of the profiles that come with Bitloop.
std::vector<std::string> energy_profile_names();

/// A profile that comes with Bitloop, or else one from a JSON file: `text` is a name or a path. Throws
/// InputError.
EnergyProfile load_energy_profile(const std::string& text);

/// From JSON; `where` is for messages. Throws InputError where a key is missing, unknown or not a plausible
/// number.
EnergyProfile parse_energy_profile(std::string_view json, const std::string& where);

}  // namespace bitloop::host
