#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <span>

namespace bitloop::quant {

/// Numbers 0..count-1 in an order that depends on the generator alone, the same with every standard library.
at::Tensor shuffled_order(std::int64_t count, std::mt19937_64& generator);

/// Labels as indices.
at::Tensor label_tensor(std::span<const std::uint16_t> labels);

}  // namespace bitloop::quant
