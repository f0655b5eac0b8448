#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// What of a file is not supported: gathered, so that whoever brings the file reads all of it at once.
class Refusals {
 public:
  static constexpr std::size_t kMostEnds = 8;  ///< that a message names; of more it names none

  void add(const NodeRefusal& refusal);
  [[nodiscard]] bool any() const { return !kinds_.empty(); }
  /// One line: every kind of node and how many of each, and the names before them at which the network could
  /// end instead.
  [[nodiscard]] std::string text(const std::vector<std::string>& ends) const;

 private:
  struct Kind {
    std::string op, reason;
    std::string first;  ///< name of the first node
    int nodes = 0;
  };
  std::vector<Kind> kinds_;
  std::map<std::pair<std::string, std::string>, std::size_t> numbers_;  // of operator and reason
};

/// Why an operator that no handler knows is refused, and what to do.
std::string unknown_operator(const Node& node);

}  // namespace bitloop::quant::importer
