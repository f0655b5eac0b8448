#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/network.h"

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

/// Throws InputError, naming the layer, unless the policy lists exactly the network's weight layers, in
/// order, with widths from {1,2,4,8}, 8 bits for the image, and equal widths for all readers of a tensor.
void validate_policy(const Network& network, const Policy& policy);

nlohmann::json to_json(const Policy& policy);
Policy policy_from_json(const Network& network, const nlohmann::json& json, std::string_view where);

/// Code width of every tensor (index as in Network::tensors): its readers' input_bits; 32 for the output.
std::vector<int> tensor_bits(const Network& network, const Policy& policy);

}  // namespace bitloop::host
