#include "host/program/instruction.h"

#include <fmt/format.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

/// The 64-bit range of a field's values.
std::pair<std::int64_t, std::int64_t> range(const FieldPlace& place) {
  const std::int64_t count = std::int64_t{1} << place.bits;
  const std::int64_t low = place.is_signed ? -count / 2 : 0;
  return {low + place.less, low + count - 1 + place.less};
}

std::uint32_t mask(const FieldPlace& place) {
  return static_cast<std::uint32_t>((std::uint64_t{1} << place.bits) - 1);
}

void put(Descriptor& words, std::int64_t value, const FieldPlace& place) {
  const auto [low, high] = range(place);
  if (value < low || value > high) {
    throw InputError(fmt::format("{} {} does not fit the hardware: {}..{}", place.name, value, low, high));
  }
  words[place.word] |= (static_cast<std::uint32_t>(value - place.less) & mask(place)) << place.low;
}

void put(Descriptor& words, const std::array<std::uint8_t, 4>& bytes, const FieldPlace& place) {
  for (int i = 0; i < 4; ++i) words[place.word] |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
}

std::int64_t get(const Descriptor& words, const FieldPlace& place) {
  const std::int64_t bits = words[place.word] >> place.low & mask(place);
  const bool negative = place.is_signed && bits >> (place.bits - 1) != 0;
  return bits == 0 ? place.zero_means + place.less
                   : bits - (negative ? std::int64_t{1} << place.bits : 0) + place.less;
}

template <class T>
void get(const Descriptor& words, T& value, const FieldPlace& place) {
  value = static_cast<T>(get(words, place));
}

void get(const Descriptor& words, std::array<std::uint8_t, 4>& bytes, const FieldPlace& place) {
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(words[place.word] >> (8 * i));
}

template <class T>
Descriptor encoded(const T& instruction) {
  Descriptor words{T::kOpcode};
  T::each_field(instruction, [&](const auto& value, const FieldPlace& place) { put(words, value, place); });
  return words;
}

template <class T>
T decoded(const Descriptor& words) {
  T instruction;
  T::each_field(instruction, [&](auto& value, const FieldPlace& place) {
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(value)>>) get(words, value, place);
  });
  return instruction;
}

std::uint32_t opcode(const Descriptor& d) { return d[0] & 0xff; }

/// The operation among `T`s whose opcode the descriptor has.
template <class... T>
Operation decode_operation(const Descriptor& d, const std::variant<T...>* /*which*/) {
  std::optional<Operation> found;
  ((T::kOpcode == opcode(d) ? void(found = decoded<T>(d)) : void()), ...);
  if (!found) throw InputError(fmt::format("opcode {:#04x} is unknown", opcode(d)));
  return *found;
}

}  // namespace

Engine engine_of(const Operation& operation) {
  return std::visit([](const auto& i) { return i.kEngine; }, operation);
}

Descriptor encode(const Instruction& instruction) {
  Descriptor words =
      std::visit([](const auto& operation) { return encoded(operation); }, instruction.operation);
  words[0] |= static_cast<std::uint32_t>(instruction.waits[0]) << 16;
  words[1] = instruction.waits[1] | static_cast<std::uint32_t>(instruction.waits[2]) << 16;
  return words;
}

Descriptor encode(const SegmentHeader& header) { return encoded(header); }

DescriptorBytes to_bytes(const Descriptor& descriptor) {
  DescriptorBytes bytes{};
  for (std::size_t i = 0; i < kDescriptorBytes; ++i) {
    bytes[i] = static_cast<std::byte>(descriptor[i / 4] >> (8 * (i % 4)));
  }
  return bytes;
}

Descriptor descriptor_from(std::span<const std::byte, kDescriptorBytes> bytes) {
  Descriptor words{};
  for (std::size_t i = 0; i < kDescriptorBytes; ++i) {
    words[i / 4] |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * (i % 4));
  }
  return words;
}

Instruction decode_instruction(const Descriptor& d) {
  return {decode_operation(d, static_cast<const Operation*>(nullptr)),
          {static_cast<std::uint16_t>(d[0] >> 16), static_cast<std::uint16_t>(d[1]),
           static_cast<std::uint16_t>(d[1] >> 16)}};
}

SegmentHeader decode_segment(const Descriptor& d) {
  if (opcode(d) != SegmentHeader::kOpcode) {
    throw InputError(fmt::format("opcode {:#04x} is no SEGMENT", opcode(d)));
  }
  return decoded<SegmentHeader>(d);
}

}  // namespace bitloop::host
