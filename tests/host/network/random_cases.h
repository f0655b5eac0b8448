#pragma once

#include <random>
#include <string>
#include <vector>

#include "host/base/error.h"
#include "host/network/quantized_network.h"

namespace bitloop::host::test {

inline int between(std::mt19937_64& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<std::uint64_t>(high - low + 1));
}

inline int any_width(std::mt19937_64& random) { return kWidths[random() % 4]; }

/// Bytes of an input: any pixel, or codes of `bits` bits.
inline std::vector<std::uint8_t> random_input(const Shape& shape, int bits, std::mt19937_64& random) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(shape.elements()));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() & ((1u << bits) - 1));
  return bytes;
}

/// A random policy that is legal for the network: all readers of a width class have one width.
inline Policy random_policy(const Network& network, std::mt19937_64& random) {
  const std::vector<int> classes = width_classes(network);
  const std::vector<const Layer*> layers = network.weight_layers();
  Policy policy = uniform_policy(network, 8, 8);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    policy.layers[i].weight_bits = any_width(random);
    const Policy before = policy;
    const int bits = any_width(random);
    for (std::size_t reader = 0; reader < layers.size(); ++reader) {
      if (classes[layers[reader]->input()] == classes[layers[i]->input()])
        policy.layers[reader].input_bits = bits;
    }
    try {
      validate_policy(network, policy);
    } catch (const InputError&) {
      policy = before;
    }
  }
  return policy;
}

}  // namespace bitloop::host::test
