#pragma once

#include <string_view>
#include <vector>

#include "host/compiler/compiler.h"
#include "host/driver/driver.h"

namespace bitloop::bench {

/// One layer at one pair of widths with random integers, ready to be placed on a device.
struct SingleLayer {
  host::Job job;
  std::vector<std::uint8_t> input;
};

inline SingleLayer single_layer(std::string_view layer, int weight_bits, int input_bits,
                                const host::HardwareInfo& info) {
  const host::Network network = host::single_layer_network(layer);
  const host::Policy policy = host::uniform_policy(network, weight_bits, input_bits);
  const host::QuantizedNetwork quantized = host::random_quantization(network, policy, 1);
  const auto elements = static_cast<std::size_t>(network.tensors[network.input].shape.elements());
  return {host::compile(quantized, info), std::vector<std::uint8_t>(elements, 1)};
}

}  // namespace bitloop::bench
