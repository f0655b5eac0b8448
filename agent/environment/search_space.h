#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::agent {

/// One free choice of a search: the weight bits of a layer, or the bits of a group of tensors.
struct Decision {
  enum class Kind { weight, activation };
  Kind kind = Kind::weight;
  /// Row of the policy whose features describe the choice: the layer itself, or the one that produces the
  /// tensors (of the result of an add: the last one before it).
  int row = 0;
  std::vector<int> widths;  ///< legal bits, ascending
};

/// Its width of at least so many bits, or its widest where there is none.
int nearest_width(const Decision& decision, int bits);

/// Bits of every decision, in the order of `SearchSpace::decisions`.
using Assignment = std::vector<int>;

struct SearchSpaceOptions {
  /// Layers that keep 8 bits for weights and input in every policy (host::named_layers).
  std::vector<std::string> pinned;
  /// Widths that none of them can run, beside the widest that it can of all other choices, are none. Empty:
  /// all widths are.
  std::vector<host::HardwareInfo> hardware = {};
};

/// The legal policies of a network, as a list of decisions in execution order: of each layer its weights,
/// then the tensors that it produces.
///
/// Tensors joined by layers that keep codes form one group and share one choice, as do all readers of a
/// tensor. The image's group has always 8 bits. Signed tensors have at least 2.
class SearchSpace {
 public:
  /// Throws InputError where an option names a layer that the network has not, and, saying why, where the
  /// hardware can run the network at no uniform width.
  explicit SearchSpace(const host::Network& network, const SearchSpaceOptions& options = {});

  [[nodiscard]] const host::Network& network() const { return network_; }
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }
  /// Number of weight layers: rows of a policy.
  [[nodiscard]] int rows() const { return static_cast<int>(rows_.size()); }

  /// Index of the decision on a row's weights (or on its input), -1 where it is not free.
  [[nodiscard]] int weight_decision(int row) const { return rows_[row].weight_decision; }
  [[nodiscard]] int input_decision(int row) const { return rows_[row].input_decision; }

  [[nodiscard]] Assignment highest() const;
  [[nodiscard]] Assignment lowest() const;
  [[nodiscard]] host::Policy policy(std::span<const int> assignment) const;
  /// The decisions of a policy; nothing where it is outside the space.
  [[nodiscard]] std::optional<Assignment> assignment(const host::Policy& policy) const;

 private:
  void keep_runnable(const std::vector<host::HardwareInfo>& hardware);

  struct Row {
    std::string name;
    int weight_decision = -1;
    int input_decision = -1;
  };

  host::Network network_;
  std::vector<Row> rows_;
  std::vector<Decision> decisions_;
};

}  // namespace bitloop::agent
