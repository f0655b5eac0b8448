#pragma once

#include <array>
#include <string_view>

/// The profiles that come with Bitloop, as files that users give have them (docs/energy.md says how each
/// number was found).
namespace bitloop::host {

inline constexpr std::array<std::string_view, 2> kEnergyProfiles = {
    R"json({
  "name": "asic45_horowitz",
  "source": "Horowitz, ISSCC 2014: 45 nm, 0.9 V, the array's numbers derived from its adders and multipliers",
  "calibrated": false,
  "binary_mac_pj": 0.003125,
  "accumulation_pj": 0.1,
  "channel_lane_pj": 0.12,
  "pool_word_pj": 0.2,
  "requantization_pj": 2.25,
  "sram": [
    { "bytes": 8192, "read_pj": 10, "write_pj": 10 },
    { "bytes": 32768, "read_pj": 20, "write_pj": 20 },
    { "bytes": 1048576, "read_pj": 100, "write_pj": 100 }
  ],
  "dram_read_pj": 1300,
  "dram_write_pj": 1300,
  "static_watts": 0
})json",
    R"json({
  "name": "fpga_zynq_estimate",
  "source": "guesses for a Zynq-7020, held below what BISMO's board draws per binary multiplication (1.04 pJ)",
  "calibrated": false,
  "binary_mac_pj": 0.5,
  "accumulation_pj": 10,
  "channel_lane_pj": 10,
  "pool_word_pj": 30,
  "requantization_pj": 100,
  "sram": [
    { "bytes": 4096, "read_pj": 25, "write_pj": 25 },
    { "bytes": 32768, "read_pj": 200, "write_pj": 200 }
  ],
  "dram_read_pj": 2600,
  "dram_write_pj": 2600,
  "static_watts": 0.2
})json",
};

}  // namespace bitloop::host
