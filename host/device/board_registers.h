#pragma once

#include <string>
#include <string_view>

#include "host/device/device.h"

namespace bitloop::host {

/// Throws DeviceError, with both values, where a device's registers or the descriptors that it reads are not
/// of the versions that this program was built for. `name`: of the device.
void require_known_formats(Device& device, std::string_view name);

/// What a board's registers tell of its hardware, under a fingerprint whose second half is of the board
/// itself (host/device/board_identity.h). Throws DeviceError where they are not those of our accelerator.
///
/// Of a board's memory nothing is assumed: it may read and write at once (no bound holds otherwise), and no
/// job takes the same time twice.
HardwareInfo read_board_info(Device& device, const std::string& board_name, double clock_hz);

/// The 16 digits of RTL sources and parameters.
std::string rtl_fingerprint(Device& device);

}  // namespace bitloop::host
