#pragma once

#include <functional>
#include <string>

namespace bitloop::quant {

/// Told how far long work is, and what matters now.
using Progress = std::function<void(double done /* 0..1 */, const std::string& note)>;

}  // namespace bitloop::quant
