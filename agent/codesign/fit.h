#pragma once

#include <string>
#include <vector>

#include "agent/codesign/chips.h"

namespace bitloop::codesign {

/// Why something of this area is not put on the chip: "takes 132 % of the LUT of zynq7010"; empty where it
/// fits.
std::string refusal_by(const Area& area, const Chip& chip);

/// Of texts of hardware those that fit a chip by the committed area model. Throws InputError, with the
/// smallest and its share, where none does.
std::vector<std::string> fitting(const std::vector<std::string>& hardware, const Chip& chip);

}  // namespace bitloop::codesign
