#pragma once

#include <array>
#include <string>
#include <string_view>

#include "host/device/device.h"

namespace bitloop::sim {

/// A parameter of rtl/accelerator.sv that hardware configurations choose: a power of two.
struct HardwareParameter {
  const char* name;      ///< in texts
  const char* rtl_name;  ///< in rtl/accelerator.sv
  int low;
  int high;
  int host::HardwareInfo::*value;  ///< what a device says of it
};

/// Limits: P and F from the array and its drain, 64 parameter slots from the field of a descriptor that names
/// one, channelwise lanes from what a pass may be, the others from its 16-bit addresses.
inline constexpr std::array kHardwareParameters = {
    HardwareParameter{"p", "P", 2, 32, &host::HardwareInfo::pixels},
    HardwareParameter{"f", "F", 2, 32, &host::HardwareInfo::filters},
    HardwareParameter{"activation_rows", "ActivationRows", 64, 32'768, &host::HardwareInfo::activation_rows},
    HardwareParameter{"weight_rows", "WeightRows", 64, 32'768, &host::HardwareInfo::weight_rows},
    HardwareParameter{"parameter_slots", "ParameterSlots", 2, 64, &host::HardwareInfo::parameter_slots},
    HardwareParameter{"channel_lanes", "ChannelLanes", 16, 32, &host::HardwareInfo::channel_lanes},
    HardwareParameter{"staging_words", "StagingWords", 64, 32'768, &host::HardwareInfo::staging_words},
};

/// Changes `parameters` ("ActivationRows=4096|F=16|...", as sim/verilate.cmake takes them; their order stays)
/// as `text` says: "p=4,f=8,activation_rows=2048,...". Throws InputError, with the limit and the nearest
/// legal value, for a value that the RTL cannot have, and, with what is known, for anything else.
std::string change_parameters(std::string_view parameters, std::string_view text);

/// What `change_parameters` needs to turn `base` into `parameters`: the parameters that differ.
std::string parameter_changes(std::string_view base, std::string_view parameters);

/// Value of the parameter with this name in texts.
int parameter_value(std::string_view parameters, std::string_view name);

}  // namespace bitloop::sim
