#pragma once

#include "quant/sensitivity/sensitivity.h"

namespace bitloop::quant {

// The rows of SensitivityMeasure.
extern const SensitivityMeasure fisher_measure, sqnr_measure, hutchinson_measure;

}  // namespace bitloop::quant
