#pragma once

#include <chrono>

namespace bitloop::host::etherbone {

/// How long either end looks for the next packet before it sleeps. Packets come in quick succession, and a
/// processor that has nothing to do takes longer to wake than a round trip: 100 us against 10 us, measured on
/// a virtual machine. While it looks it yields to whoever has work.
inline constexpr std::chrono::microseconds kAlertness{150};

}  // namespace bitloop::host::etherbone
