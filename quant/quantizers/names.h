#pragma once

#include <string>
#include <vector>

namespace bitloop::quant {

// What `--clipping` and `--quantizer` may say; without LibTorch.

/// Of quantizers/clipping.h.
std::vector<std::string> clipping_names();
/// Of quantizers/methods.h.
std::vector<std::string> method_names();

}  // namespace bitloop::quant
