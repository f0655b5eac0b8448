#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/measurement/measure.h"

namespace bitloop::host {

/// Counters of one network under any policy: those of `measure_network`, for a job of one image, to the
/// cycle, and once its segments are known in microseconds. A search asks for a hundred thousand.
///
/// It finds the segments of a policy in tables (PlanTables) that the planner's own functions fill, instead of
/// planning the network; what is not in them is planned and measured. One query in 4096 is compared with the
/// plan. Networks whose layers do not keep their tensors apart (concats, groups) are planned for each query,
/// and hardware that is not repeatable is measured for each.
/// One thread at a time; the meter outlives it.
class NetworkCosts {
 public:
  NetworkCosts(SegmentMeter& meter, Network network);
  ~NetworkCosts();

  /// Holds until the next call. Throws InputError where the policy is not legal or the hardware cannot run
  /// the network under it.
  const Counters& counters(const Policy& policy);

  /// A layer under a policy.
  struct LayerQuery {
    Policy policy;
    int layer = 0;  ///< index in the network; -1: what comes before the first
  };
  /// Of the segments that a layer leads (0 where it is fused behind another), many at once so that those that
  /// are not known run side by side.
  std::vector<Counters> layers(std::span<const LayerQuery> queries,
                               const SegmentMeter::Progress& progress = {});
  /// What a job counts besides its segments.
  Counters end();

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] const HardwareInfo& hardware() const { return meter_.hardware(); }
  /// Rows of the policy whose weights, and whose inputs, a layer's segments depend on directly. Others change
  /// them only by what they leave of activation SRAM.
  struct Rows {
    std::vector<int> weights;
    std::vector<int> inputs;
  };
  [[nodiscard]] Rows rows_of(int layer) const;
  /// Segments that ran for it.
  [[nodiscard]] std::size_t measured() const { return measured_; }

 private:
  struct Mode;
  struct Unknown;

  bool add(Mode& mode, const Policy& policy, std::optional<int> layer, Counters& sum, Unknown& unknown);
  void measure(Mode& mode, const Unknown& unknown, const SegmentMeter::Progress& progress = {});
  void check(Mode& mode, const Policy& policy);

  SegmentMeter& meter_;
  const Network network_;
  std::array<std::unique_ptr<Mode>, 2> modes_;  ///< fused, and separate (CompileOptions)
  std::optional<Counters> end_;                 ///< what a job counts besides its segments
  Counters total_{};
  std::string too_small_;  ///< why, of the last segment that is
  std::size_t measured_ = 0;
  std::uint64_t queries_ = 0;
};

}  // namespace bitloop::host
