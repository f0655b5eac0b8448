#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/driver/pool.h"

namespace bitloop::host {

/// Before hardware is measured: does it compute what the golden functions say? A fault in RTL often takes
/// other cycles, too, and would pass for an improvement.
struct SoundnessCheck {
  std::string name;  ///< of the hardware
  std::string key;   ///< what is remembered: its fingerprint, and all else that its results depend on
  /// Devices that compute, of the hardware that is to be measured and of others that it is sound with. Called
  /// only where it is not known to be sound.
  std::function<std::vector<std::shared_ptr<DevicePool>>()> open;
  /// Of a file per key whose self-test passed; empty: nothing is remembered.
  std::filesystem::path folder{};
  DevicePool::Note note{};      ///< is told, in one line, that the check ran and how long it took
  Driver::Progress progress{};  ///< of the self-test
};

/// Runs the self-test where this machine has not seen the hardware pass it with this build's compiler. Throws
/// DeviceError, with network, layer and first wrong code or with what waits, where it fails.
void require_sound(const SoundnessCheck& check);

}  // namespace bitloop::host
