#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/environment/search_space.h"
#include "agent/space/space.h"

namespace bitloop::agent {

/// Which policies a search may choose.
enum class Rules {
  free,   ///< every width of every layer's weights and input, as far as tensors are not shared
  tied,   ///< (input, weight) bits only (8,8), (4,4), (2,1), as in the CMC 2024 paper
  ends8,  ///< free, but the first and the last layer keep 8 bits
};
Rules rules_of(std::string_view name);

/// What shares one choice.
enum class Grouping {
  none,
  layer,  ///< a layer's weights and its input, and with them all layers that read the same tensor
  block,  ///< weights, inputs, and residual tensors, each between two additions
  stage,  ///< weights, and inputs, of all layers of one resolution
};
Grouping grouping_of(std::string_view name);

struct PolicySpaceOptions {
  Rules rules = Rules::free;
  Grouping grouping = Grouping::none;
  std::vector<int> widths{1, 2, 4, 8};         ///< that are choices, as far as legal
  std::vector<std::string> pinned{};           ///< layers that keep 8 bits, as SearchSpaceOptions
  std::vector<host::HardwareInfo> hardware{};  ///< what none of them can run is no choice
};

/// The abstract space of a network's policies, and the way back.
///
/// Features of a decision, each min-max normalised over the network: layer index, input channels, output
/// channels, kernel size, stride, input map size, number of weights, their standard deviation (Table 2 of the
/// CMC 2024 paper; of what is grouped those of the first member), and a flag (0 weights, 1 activations).
class PolicySpace {
 public:
  /// Throws InputError as SearchSpace does, and where members of a group have no width in common.
  explicit PolicySpace(const host::Network& network, const PolicySpaceOptions& options = {});

  [[nodiscard]] const host::Network& network() const { return knobs_.network(); }
  [[nodiscard]] const search::Space& space() const { return space_; }
  [[nodiscard]] host::Policy policy(const search::Assignment& assignment) const;
  /// Throws InputError where the policy is outside the space.
  [[nodiscard]] search::Assignment assignment(const host::Policy& policy) const;
  [[nodiscard]] bool contains(const host::Policy& policy) const;
  /// A part of what a choice sets.
  struct Setting {
    int row = 0;         ///< of the policy: the layer
    bool input = false;  ///< the bits of its input, and of all that shares them; else of its weights
    int bits = 8;
  };
  [[nodiscard]] std::vector<Setting> settings(int decision, int choice) const;
  /// Fills in the feature that geometry does not give, 0 before: the standard deviation of each layer's
  /// weights.
  void set_weight_deviations(const std::vector<double>& deviations);

 private:
  /// Of a decision the knobs (decisions of `knobs_`) that it turns, and to what each choice turns them.
  struct Members {
    std::vector<int> knobs;
    std::vector<std::vector<int>> bits;  ///< [choice][member]
  };
  [[nodiscard]] Members members_of(const std::vector<int>& knobs, const PolicySpaceOptions& options) const;
  [[nodiscard]] std::string name_of(int knob) const;
  [[nodiscard]] std::optional<search::Assignment> find(const host::Policy& policy) const;

  SearchSpace knobs_;
  search::Space space_;
  std::vector<Members> members_;
};

}  // namespace bitloop::agent
