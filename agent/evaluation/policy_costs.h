#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "agent/environment/policy_space.h"
#include "agent/space/costs.h"
#include "host/measurement/energy.h"
#include "host/measurement/network_costs.h"

namespace bitloop::agent {

/// The policy of an assignment, written in place: a search asks for a hundred thousand. Not thread-safe.
class PolicyWriter {
 public:
  explicit PolicyWriter(const PolicySpace& space);

  /// Holds until the next call.
  const host::Policy& policy(const search::Assignment& assignment);
  /// The decisions that set the weight bits (or the input bits) of a row, ascending: at most one.
  [[nodiscard]] int decision_on(int row, bool input) const {
    return (input ? input_decisions_ : weight_decisions_)[static_cast<std::size_t>(row)];
  }

 private:
  /// What a decision sets.
  struct Cell {
    int row = 0;
    int host::LayerBits::*bits = nullptr;
    std::vector<int> widths;  ///< by choice
  };
  std::vector<std::vector<Cell>> cells_;  ///< per decision
  std::vector<int> weight_decisions_;     ///< per row; -1: none
  std::vector<int> input_decisions_;
  host::Policy policy_;
};

/// What a network's policies cost:
/// - *cycles*: those of a run of the whole network, to the cycle (host::NetworkCosts);
/// - *energy*, in joules of one image, from the same counters by a profile (docs/energy.md);
/// - *bytes* of weights: each of its bits, in whole; biases, multipliers and tensors are not counted.
///
/// Local terms of cycles and energy are measured layer by layer: in all choices of the decisions that its
/// segments depend on directly (its weights, the tensors that it, and what is fused behind it, reads and
/// writes), all others in the middle of theirs. Where far decisions change what stays on chip the sum
/// differs; docs/search.md says how much. One thread at a time; space and meter outlive it.
class PolicyCosts final : public search::CostModel {
 public:
  /// `progress` of the segments that `local` measures.
  PolicyCosts(const PolicySpace& space, host::SegmentMeter& meter, host::EnergyProfile energy,
              host::SegmentMeter::Progress progress = {});

  search::Costs costs(const search::Assignment& assignment) override;
  [[nodiscard]] search::Costs costs(const host::Policy& policy);
  const search::LocalCosts& local(search::Measure measure) override;
  /// With all other decisions as they are in `context`, not in the middle.
  search::LocalCosts local_around(search::Measure measure, const search::Assignment& context) override;
  [[nodiscard]] const search::Costs& reference() const override { return reference_; }
  /// Segments that ran for it.
  [[nodiscard]] std::size_t measured() const override { return costs_.measured(); }

 private:
  /// A term to be, and the queries that its values come from.
  struct Sketch {
    std::vector<int> scope;
    std::size_t first = 0;
    std::size_t count = 0;
    std::optional<std::size_t> base;  ///< of a correction: query whose value is taken off
  };

  [[nodiscard]] search::Costs costs_of(const host::Counters& counters, double bytes) const;
  [[nodiscard]] double bytes(const host::Policy& policy) const;
  [[nodiscard]] search::LocalCosts count_bytes();
  [[nodiscard]] search::LocalCosts measure(search::Measure measure, const search::Assignment& context,
                                           const host::SegmentMeter::Progress& progress);
  void sketch_layer(int layer, const search::Assignment& context,
                    std::vector<host::NetworkCosts::LayerQuery>& queries, std::vector<Sketch>& sketches);

  const PolicySpace& space_;
  host::NetworkCosts costs_;
  host::EnergyProfile energy_;
  host::SegmentMeter::Progress progress_;
  PolicyWriter writer_;
  std::vector<double> weights_;  ///< per row
  search::Costs reference_;
  search::Assignment middle_;
  std::array<std::optional<search::LocalCosts>, search::kMeasures> local_;
};

}  // namespace bitloop::agent
