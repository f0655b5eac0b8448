#pragma once

#include <vector>

#include "host/compiler/segment.h"

namespace bitloop::host {

/// A tensor that could stay in activation SRAM, and when it is needed there.
struct Life {
  int form = 0;   ///< Form::index()
  Ring ring;      ///< the whole tensor; its base is chosen here
  int first = 0;  ///< segment that writes it
  int last = 0;   ///< last segment that reads it
  int uses = 0;   ///< segments that write or read it
};

/// What a segment streams where a tensor is not on chip.
struct Stream {
  int form = -1;      ///< Form::index(); -1: never on chip
  int bank_rows = 0;  ///< the least that its ring takes
};

struct Residency {
  std::vector<Life> kept;      ///< with their bases
  std::vector<BankRows> free;  ///< per segment, the largest gap beside what is kept
};

/// Decides which tensors stay in activation SRAM. `streams` lists, per segment, its operands and results.
///
/// Greedy: a tensor spares the more traffic per row of SRAM and segment the more often it is used and the
/// shorter it lives; one that would leave a segment too little for the rings of what it streams stays in
/// memory. Fast (tens of microseconds), because a search plans every policy.
Residency choose_residents(const std::vector<Life>& lives, const std::vector<std::vector<Stream>>& streams,
                           int activation_rows);

}  // namespace bitloop::host
