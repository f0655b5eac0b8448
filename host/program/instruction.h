#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "host/program/instruction_fields.h"

namespace bitloop::host {

using Operation = std::variant<LoadAct, LoadWeight, LoadParam, LoadTable, LoadImage, Pack, Conv, MaxPool,
                               Depthwise, Add, Store>;

/// An instruction of one engine and, per engine, how many instructions of this segment it waits for.
struct Instruction {
  Operation operation;
  std::array<std::uint16_t, kEngines> waits{};
  bool operator==(const Instruction&) const = default;
};

using Descriptor = std::array<std::uint32_t, 16>;
inline constexpr std::uint32_t kDescriptorBytes = 64;  ///< descriptors lie at multiples of this
using DescriptorBytes = std::array<std::byte, kDescriptorBytes>;

Engine engine_of(const Operation& operation);

/// Throws InputError naming the field where a value does not fit its bits.
Descriptor encode(const Instruction& instruction);
Descriptor encode(const SegmentHeader& header);

/// A descriptor as it lies in memory.
DescriptorBytes to_bytes(const Descriptor& descriptor);
Descriptor descriptor_from(std::span<const std::byte, kDescriptorBytes> bytes);

/// Throws InputError for an unknown opcode.
Instruction decode_instruction(const Descriptor& descriptor);
SegmentHeader decode_segment(const Descriptor& descriptor);

inline constexpr std::uint32_t kPageBytes = 4096;  ///< no burst crosses a multiple of this

/// One line for people.
std::string to_string(const Instruction& instruction);

}  // namespace bitloop::host
