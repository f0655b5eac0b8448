#pragma once

#include <memory>

#include "host/device/device.h"
#include "host/driver/address.h"
#include "host/etherbone/bus.h"

namespace bitloop::host::etherbone {

/// Connects to what `address` names (tcp, tcp+tls or udp). Throws DeviceLost where nobody answers in time,
/// and DeviceError where somebody else does (what, and what was expected), where another client owns the
/// device (who, for how long, how many wait), and where the fingerprint is not the one that `address` asks
/// for.
std::unique_ptr<Device> open_remote_device(const DeviceAddress& address);

/// The same on a bus that is connected: for tests, and for other wires.
std::unique_ptr<Device> make_remote_device(std::unique_ptr<Bus> bus, const DeviceAddress& address);

std::unique_ptr<Bus> connect_tcp(const DeviceAddress& address);  ///< tcp and tcp+tls
std::unique_ptr<Bus> connect_udp(const DeviceAddress& address);

}  // namespace bitloop::host::etherbone
