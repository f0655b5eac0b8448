#pragma once

#include <vector>

#include "agent/codesign/area_model.h"

namespace bitloop::codesign {

/// What Yosys counts for this hardware, of its RTL (sim::rtl_of): by scripts/synthesis.py of the source tree
/// that bitloop was built from. Takes minutes, and says so on standard error. In alphabetical order. Throws
/// Error, with what to do, where tree, Python or Yosys is not there.
std::vector<BlockArea> synthesized(const host::HardwareInfo& hardware);

}  // namespace bitloop::codesign
