// Included before generated code, in place of what Verilator 5.006 does slowly. It counts ones with shifts
// and masks (650 ns per cycle of the default array): these are instructions that GCC also vectorizes (33 ns).
#pragma once

#include <verilated.h>
#include <verilated_funcs.h>

#include <bit>
#include <cstring>

#define VL_COUNTONES_I(value) static_cast<IData>(__builtin_popcount(value))
#undef VL_COUNTONES_E
#define VL_COUNTONES_E VL_COUNTONES_I
#define VL_COUNTONES_Q(value) static_cast<IData>(__builtin_popcountll(value))

/// Assigns `width` bits from bit `low` on of a wide value. Items of 16 bits (rows of lanes) are stored as
/// such.
static inline __attribute__((always_inline)) void bitloop_assign_select(int bits, int width, int low,
                                                                        WDataOutP wide, IData value) {
  if (std::endian::native == std::endian::little && width == 16 && low % 16 == 0 && bits % 32 == 0) {
    const auto item = static_cast<std::uint16_t>(value);
    std::memcpy(reinterpret_cast<char*>(wide) + low / 8, &item, sizeof item);
  } else {
    VL_ASSIGNSEL_WI(bits, width, low, wide, value);
  }
}
#define VL_ASSIGNSEL_WI bitloop_assign_select
