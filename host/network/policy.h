#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/network/network.h"

namespace bitloop::host {

/// The bit-widths that hardware and searches know.
inline constexpr int kWidths[] = {1, 2, 4, 8};

struct LayerBits {
  std::string name;
  int weight_bits = 8;
  int input_bits = 8;
  bool operator==(const LayerBits&) const = default;
};

/// Bit-widths of every layer that has weights, in execution order.
struct Policy {
  std::string network;
  std::vector<LayerBits> layers;

  bool operator==(const Policy&) const = default;
  /// Compact text such as "8:8 4:4 2:1" (weight:input per layer): key of memories and log files.
  [[nodiscard]] std::string key() const;
};

/// `w`/`a` bits everywhere, except that the layer that reads the image keeps 8 input bits and signed tensors
/// at least 2.
Policy uniform_policy(const Network& network, int weight_bits, int input_bits);

/// Reads `w4a8` or a path of a policy.json; throws InputError for anything not legal for `network`.
Policy load_policy(const Network& network, std::string_view text_or_path);

/// Names of weight layers, from words that name them or say `first` or `last`. Throws InputError for others.
std::vector<std::string> named_layers(const Network& network, const std::vector<std::string>& words);
/// The policy with 8 bits for the weights of these layers and for all that is read together with their
/// inputs.
Policy pinned_policy(const Network& network, Policy policy, const std::vector<std::string>& words);

/// Throws InputError, naming the layer, unless the policy lists exactly the network's weight layers, in
/// order, with widths from {1,2,4,8}, 8 bits for the image, and equal widths for all readers of a tensor.
void validate_policy(const Network& network, const Policy& policy);

nlohmann::json to_json(const Policy& policy);
Policy policy_from_json(const Network& network, const nlohmann::json& json, std::string_view where);

/// Code widths of every tensor, index as in Network::tensors.
struct TensorBits {
  /// The form that the layer before writes: 32 bits of a result; 8 where an add, an average pool, a function
  /// or a product reads it, also by way of layers that keep codes; else its readers' input_bits.
  std::vector<int> written;
  /// The form that layers with weights read where they read fewer bits than are written (else 0): always the
  /// requantization of the 8-bit codes.
  std::vector<int> narrow;
  [[nodiscard]] int read(int tensor) const { return narrow[tensor] != 0 ? narrow[tensor] : written[tensor]; }
  bool operator==(const TensorBits&) const = default;
};
TensorBits tensor_bits(const Network& network, const Policy& policy);

/// Whether a layer reads the narrow form of one of its inputs: layers with weights where there is one, layers
/// that keep codes where their output is written in that width.
inline bool reads_narrow(const TensorBits& bits, const Layer& layer, int tensor) {
  if (layer.has_weights()) return bits.narrow[tensor] != 0;
  return layer.keeps_codes() && bits.written[tensor] != bits.written[layer.output];
}

}  // namespace bitloop::host
