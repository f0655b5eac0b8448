#pragma once

#include <map>
#include <string>
#include <string_view>

#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// Names of layers: letters, digits and punctuation only, each given once.
class Names {
 public:
  /// That of the layer's weights without ".weight" where it ends so, else the node's.
  std::string of_weights(const Node& node, std::string_view initializer);
  /// The node's, its slashes made dots, without the scopes that PyTorch repeats: "/blocks/blocks.0/Add" gives
  /// "blocks.0.Add".
  std::string of_node(const Node& node);
  /// Any other name.
  std::string of_text(std::string_view text);

 private:
  std::string unique(std::string name);
  std::map<std::string, int> given_;  // a name, and the number of its last copy
};

}  // namespace bitloop::quant::importer
