#include "host/device/board_registers.h"

#include <fmt/format.h>

#include <array>

#include "host/base/error.h"
#include "host/device/board_identity.h"
#include "host/device/registers.h"

namespace bitloop::host {
namespace {

constexpr int kLargestParameter = 1 << 16;

/// "default", or its parameters as `--hardware` would name them.
std::string hardware_name(const HardwareInfo& info) {
  const HardwareInfo standard;
  std::string text;
  const auto add = [&](const char* name, int HardwareInfo::*value) {
    if (info.*value != standard.*value)
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, info.*value);
  };
  add("p", &HardwareInfo::pixels);
  add("f", &HardwareInfo::filters);
  add("activation_rows", &HardwareInfo::activation_rows);
  add("weight_rows", &HardwareInfo::weight_rows);
  add("parameter_slots", &HardwareInfo::parameter_slots);
  add("channel_lanes", &HardwareInfo::channel_lanes);
  add("staging_words", &HardwareInfo::staging_words);
  return text.empty() ? "default" : text;
}

}  // namespace

std::string rtl_fingerprint(Device& device) {
  static_assert(registers::kFingerprint1 == registers::kFingerprint0 + 4);
  std::array<std::uint32_t, 2> words{};
  device.read_registers(registers::kFingerprint0, words);
  return fmt::format("{:08x}{:08x}", words[1], words[0]);
}

void require_known_formats(Device& device, std::string_view name) {
  constexpr const char* kRemedy = "build bitstream and program from the same sources";
  const std::uint32_t id = device.read_register(registers::kId);
  if (id != registers::kIdValue) {
    throw DeviceError(
        fmt::format("{}: no Bitloop accelerator answers: its ID register reads {:#010x}, not {:#010x}; check "
                    "the bitstream and the address of the registers",
                    name, id, registers::kIdValue));
  }
  const std::uint32_t map = device.read_register(registers::kRegmapHash);
  if (map != registers::kRegmapHashValue) {
    throw DeviceError(fmt::format(
        "{}: the accelerator's register map has version {}, hash {:#010x}, and this program's version {}, "
        "hash {:#010x}; {}",
        name, device.read_register(registers::kVersion), map, registers::kRegmapVersion,
        registers::kRegmapHashValue, kRemedy));
  }
  const std::uint32_t descriptors = device.read_register(registers::kDescriptorVersion);
  if (descriptors != registers::kDescriptorVersionValue) {
    throw DeviceError(
        fmt::format("{}: the accelerator reads descriptors of version {}, and this program writes those of "
                    "version {}; {}",
                    name, descriptors, registers::kDescriptorVersionValue, kRemedy));
  }
}

HardwareInfo read_board_info(Device& device, const std::string& board_name, double clock_hz) {
  require_known_formats(device, board_name);
  const auto value = [&](std::uint32_t offset) { return static_cast<int>(device.read_register(offset)); };
  HardwareInfo info;
  const std::uint32_t array = device.read_register(registers::kConfigArray);
  info.pixels = static_cast<int>(array & 0xffff);
  info.filters = static_cast<int>(array >> 16);
  info.activation_rows = value(registers::kConfigActivation);
  info.weight_rows = value(registers::kConfigWeight);
  info.parameter_slots = value(registers::kConfigParameter);
  info.channel_lanes = value(registers::kConfigChannel);
  info.staging_words = value(registers::kConfigStaging);
  for (const int parameter : {info.pixels, info.filters, info.activation_rows, info.weight_rows,
                              info.parameter_slots, info.channel_lanes, info.staging_words}) {
    if (parameter >= 1 && parameter <= kLargestParameter) continue;
    throw DeviceError(
        fmt::format("{}: the accelerator says that one of its parameters is {}, which makes no sense; "
                    "check the bitstream and the address of the registers",
                    board_name, parameter));
  }
  info.name = hardware_name(info);
  info.fingerprint = fmt::format("{}{:016x}", rtl_fingerprint(device), board_hash(board_name, clock_hz));
  info.memory = board_name;
  info.clock_hz = clock_hz;
  info.duplex = true;
  info.repeatable = false;
  return info;
}

}  // namespace bitloop::host
