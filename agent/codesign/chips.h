#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace bitloop::codesign {

/// What a block takes, or a chip offers, of the 7 series' resources.
struct Area {
  double lut = 0;  ///< of six inputs, with those that are memories or shift registers
  double ff = 0;
  double dsp = 0;
  double bram = 0;  ///< block RAMs of 36 kbit; half of one is possible

  Area& operator+=(const Area& other);
  bool operator==(const Area&) const = default;
};

/// A field per resource.
nlohmann::ordered_json to_json(const Area& area);

/// A resource's name in texts and tables, and where it stands.
struct Resource {
  const char* name;
  const char* title;
  double Area::*amount;
};
inline constexpr std::array kResources = {
    Resource{"lut", "LUT", &Area::lut},
    Resource{"ff", "FF", &Area::ff},
    Resource{"dsp", "DSP", &Area::dsp},
    Resource{"bram", "BRAM", &Area::bram},
};

/// An FPGA, or the programmable logic of one.
struct Chip {
  std::string name;   ///< as --chip takes it
  std::string title;  ///< with its maker's name for it
  Area capacity;
};

/// Those of agent/codesign/chips.json, which is compiled in.
const std::vector<Chip>& chips();

/// Throws InputError, with those that are known, for any other name.
const Chip& chip_named(std::string_view name);

/// What part of the chip's resources that is: 1 is all of one.
Area share(const Area& area, const Chip& chip);

/// The resource that is scarcest, and what part of it is taken.
struct LargestShare {
  const Resource* resource;
  double share;
};
LargestShare largest_share(const Area& area, const Chip& chip);

/// No resource takes more than the chip has. Places and wires are not looked at: Yosys counts more LUTs than
/// Vivado, and no tool fills a chip to the last of them.
bool fits(const Area& area, const Chip& chip);

/// The text of chips.json.
std::string_view chips_json();

}  // namespace bitloop::codesign
